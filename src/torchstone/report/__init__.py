"""How a comparison is shown: in a terminal, as a page. Reports take results as they are and decide nothing."""
