"""Every operator: its text in a case, and its PyTorch."""

from element_ops import (batch_norm, binary, convert, dequantize, pad, prelu, quantize, reorder,
                         requantize, unary)
from window_ops import (adaptive_pool, avg_pool, conv, conv_transpose, global_pool, lp_pool, max_pool,
                        max_unpool)

__all__ = ["adaptive_pool", "avg_pool", "batch_norm", "binary", "conv", "conv_transpose", "convert",
           "dequantize", "global_pool", "lp_pool", "max_pool", "max_unpool", "pad", "prelu",
           "quantize", "reorder", "requantize", "unary"]
