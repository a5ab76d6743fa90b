"""Volute: convolution and pooling, compiled for exactly their shapes, at run time, on the CPU.

Functions of ``torch.nn.functional``, by its names, with its arguments and defaults, over NumPy
arrays, torch tensors, and whatever has DLPack or the buffer protocol:

>>> import numpy, volute
>>> x = numpy.arange(16, dtype=numpy.float32).reshape(1, 1, 4, 4)
>>> volute.max_pool2d(x, 2)
array([[[[ 5.,  7.],
         [13., 15.]]]], dtype=float32)

Programs of several operators, fused, with weights bound once (docs/language.md has the language):

>>> kernel = volute.compile('''
...     program @layer(%x: f32[n=1, c=1, h=4, w=4], %w: f32[o=1, i=1, h=3, w=3]) {
...       %0 = conv %x, %w
...       %y = relu %0
...       return %y
...     }''')
>>> kernel.bind(w=numpy.ones((1, 1, 3, 3), numpy.float32))(x)
array([[[[45., 54.],
         [81., 90.]]]], dtype=float32)

``volute.torch`` puts both into modules of PyTorch.
"""

from ._core import (
    STAGES,
    Builder,
    Diagnostic,
    Error,
    Kernel,
    Program,
    Session,
    Value,
    compile,
    default_session,
    set_default_session,
    version,
)
from .functional import *  # noqa: F401,F403
from .functional import __all__ as _functions

# To whoever reads a message, they are where they are imported from.
for _public in (Builder, Diagnostic, Error, Kernel, Program, Session, Value):
    _public.__module__ = "volute"
del _public

__version__ = version()
__all__ = [
    "STAGES",
    "Builder",
    "Diagnostic",
    "Error",
    "Kernel",
    "Program",
    "Session",
    "Value",
    "compile",
    "default_session",
    "set_default_session",
    "version",
    *_functions,
]
