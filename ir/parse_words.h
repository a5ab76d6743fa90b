// What PyTorch, ONNX, TensorFlow, NumPy and C call the things that this language calls otherwise:
// the way out that a refusal names. Private to the parse*.cpp files and the cursor.
#pragma once

#include "ir/operators.h"

#include <span>
#include <string>
#include <string_view>

namespace volute::ir {

// Each returns a hint for a word that is not ours, such as "did you mean conv?", or nothing.

/// For an operator, however qualified: nn.Conv2d, MaxPool, tf.nn.depthwise_conv2d.
std::string operator_hint(std::string_view word);
/// For an attribute of an operator: kernel_size, strides, in_channels.
std::string attribute_hint(std::string_view word, const OperatorRow& row);
/// For one of the words that an attribute takes: SAME_UPPER, "same", True.
std::string choice_hint(std::string_view word, std::span<const std::string_view> words);
/// For an element type: float32, double, int8.
std::string element_hint(std::string_view word);
/// For an axis: N, batch, height.
std::string axis_hint(std::string_view word);

} // namespace volute::ir
