"""Sigmoid, LogSigmoid and Tanh: three faces of 1 / (1 + e^-x)."""

from torch import Tensor

from torchstone._elementwise import elementwise
from torchstone.activations._base import Activation


class Sigmoid(Activation):
    """The logistic function, from the real line to (0, 1).

        f(x) = 1 / (1 + e^-x)        f'(x) = f(x) f(-x)        f''(x) = -f(x) f(-x) tanh(x / 2)

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor.

    PyTorch computes the gradient as y (1 - y): in float32 that is 0 from x = 17 on, where the truth at 20 is
    2.06e-9. Its float32 values are 0 below -88.7, where they are still subnormal numbers.

    >>> import torch
    >>> x = torch.tensor([0.0, 20.0], requires_grad=True)
    >>> Sigmoid()(x)
    tensor([0.5000, 1.0000], grad_fn=...)
    >>> torch.autograd.grad(Sigmoid()(x).sum(), x)
    (tensor([2.5000e-01, 2.0612e-09]),)

    Source: D. R. Cox, "The Regression Analysis of Binary Sequences", JRSS B 20 (1958).
    """

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = e^min(x, 0) / (1 + e^-|x|): nothing overflows."""
        e = x.abs().neg_().exp_()
        top = x.sign().clamp_(min=e)  # max(sign x, e): 1 on the right, e on the left
        return top.div_(e.add_(1))

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = e^-|x| / (1 + e^-|x|)²."""
        e = x.abs().neg_().exp_()
        ge = g * e
        return ge.div_(e.add_(1)).div_(e)

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = -σ(x) σ(-x) tanh(x / 2)."""
        return -g * elementwise(Sigmoid, x) * elementwise(Sigmoid, -x) * elementwise(Tanh, x / 2)


class LogSigmoid(Activation):
    """The logarithm of the sigmoid σ.

        f(x) = log σ(x) = -log(1 + e^-x)        f'(x) = σ(-x)        f''(x) = -σ(x) σ(-x)

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor.

    >>> import torch
    >>> LogSigmoid()(torch.tensor([-1000.0, 0.0, 50.0]))
    tensor([-1.0000e+03, -6.9315e-01, -1.9287e-22])

    Source: M. Mächler, "Accurately Computing log(1 - exp(-|a|))" (2012), for log1p(e^x).
    """

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = min(x, 0) - log(1 + e^-|x|)."""
        return x.clamp(max=0).sub_(x.abs().neg_().exp_().log1p_())

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = σ(-x)."""
        return g * Sigmoid.value(-x)

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = -σ(x) σ(-x)."""
        return -g * elementwise(Sigmoid, x) * elementwise(Sigmoid, -x)


class Tanh(Activation):
    """The hyperbolic tangent, from the real line to (-1, 1).

        f(x) = tanh x = (e^2x - 1) / (e^2x + 1)        f'(x) = 1 / cosh² x        f''(x) = -2 f(x) f'(x)

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor.

    PyTorch computes the gradient as 1 - y^2: in float32 that is 0 from |x| = 9.1 on, where the truth is 5.0e-8.

    >>> import torch
    >>> x = torch.tensor([0.5, 10.0], requires_grad=True)
    >>> Tanh()(x)
    tensor([0.4621, 1.0000], grad_fn=...)
    >>> torch.autograd.grad(Tanh()(x).sum(), x)
    (tensor([7.8645e-01, 8.2446e-09]),)

    Source: NIST Digital Library of Mathematical Functions, section 4.28.
    """

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = sign(x) t / (t + 2), where t = e^2|x| - 1."""
        t = x.abs().mul_(2).clamp_(max=64).expm1_()  # at 64 the quotient is 1 in every dtype
        return t.div_(t + 2).copysign_(x)

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = 4 e^-2|x| / (1 + e^-2|x|)²."""
        e = x.abs().mul_(-2).exp_()
        ge = g * e
        return ge.mul_(4).div_(e.add_(1)).div_(e)

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = -2 tanh(x) 4 σ(2x) σ(-2x)."""
        return -8 * g * elementwise(Tanh, x) * elementwise(Sigmoid, 2 * x) * elementwise(Sigmoid, -2 * x)
