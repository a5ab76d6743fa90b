// What people who know torch.nn.functional, ONNX, TensorFlow, NumPy or C++ type, and the words that
// the answer must have. Random edits of valid programs find no word that is not ours, so these are
// written down.
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <string>
#include <vector>

namespace volute::ir {
namespace {

using Catch::Matchers::ContainsSubstring;

struct Typed {
  std::string line; // a statement, or what stands in its place
  std::string answer;
};

std::string refusal(const std::string& text) {
  const auto programs = parse_file_text(text);
  return programs ? "(accepted)" : render(programs.diagnostics(), "p.vlt", text);
}

std::string program(const std::string& line) {
  return "program @p(%x: f32[n=1, c=4, h=8, w=8], %w: f32[o=4, i=4, h=3, w=3],\n"
         "           %image: f32[c=4, h=8, w=8], %flat: f32[n=1, h=8, w=8]) {\n  " +
         line + "\n  return %x\n}\n";
}

TEST_CASE("operators of other languages are told what they are here", "[newcomers]") {
  const std::vector<Typed> table = {
      {"torch.cat", "not joined here"},
      {"concat", "not joined here"},
      {"Concat", "not joined here"},
      {"tf.concat", "not joined here"},
      {"torch.stack", "not joined here"},
      {"torch.flatten", "filter as large as the image"},
      {"Flatten", "filter as large as the image"},
      {"reshape", "filter as large as the image"},
      {"x.view", "filter as large as the image"},
      {"mean", "global_avg_pool"},
      {"ReduceMean", "global_avg_pool"},
      {"tf.reduce_mean", "global_avg_pool"},
      {"sum", "divisor = 1"},
      {"Sum", "add adds two tensors"},
      {"ReduceSum", "divisor = 1"},
      {"div", "mul by the reciprocal"},
      {"Div", "mul by the reciprocal"},
      {"torch.true_divide", "mul by the reciprocal"},
      {"upsample", "conv_transpose"},
      {"F.interpolate", "conv_transpose"},
      {"Resize", "conv_transpose"},
      {"UpSampling2D", "conv_transpose"},
      {"F.pixel_shuffle", "conv_transpose"},
      {"F.softmax", "apply it to what the program returns"},
      {"topk", "apply it to what the program returns"},
      {"F.cross_entropy", "apply it to what the program returns"},
      {"F.layer_norm", "batch_norm"},
      {"GroupNorm", "batch_norm"},
      {"LRN", "batch_norm"},
      {"F.instance_norm", "batch_norm"},
      {"BatchNormalization", "did you mean batch_norm?"},
      {"FusedBatchNorm", "did you mean batch_norm?"},
      {"F.linear", "filter of 1 by 1"},
      {"MatMul", "filter of 1 by 1"},
      {"einsum", "filter of 1 by 1"},
      {"tf.nn.atrous_conv2d", "conv with dilation"},
      {"tf.nn.bias_add", "did you mean add?"},
      {"F.unfold", "read their windows themselves"},
      {"im2col", "read their windows themselves"},
      {"ArgMax", "%y, %index = max_pool %x"},
      {"tf.nn.max_pool_with_argmax", "%y, %index = max_pool %x"},
      {"F.dropout", "leave it out"},
      {"contiguous", "leave it out"},
      {"Identity", "leave it out"},
      {"Cast", "did you mean convert"},
      {"x.to", "did you mean convert"},
      {"round", "did you mean convert"},
      {"permute", "did you mean reorder?"},
      {"Slice", "negative numbers of pad crop"},
      {"crop", "pad with negative numbers"},
      {"split", "views, for the caller"},
      {"torch.sin", "exp, sqrt, abs, tanh"},
      {"Floor", "exp, sqrt, abs, tanh"},
      {"torch.log", "exp, sqrt, abs, tanh"},
      {"square", "mul %x, %x"},
      {"pow", "mul %x, %x"},
      {"pool", "max_pool or avg_pool"},
      {"sum_pool", "divisor = 1"},
      {"SELU", "elu with alpha"},
      {"F.hardtanh", "did you mean clamp?"},
      {"hswish", "did you mean hardswish?"},
      {"F.threshold", "did you mean clamp?"},
      {"F.conv2d", "did you mean conv?"},
      {"F.conv_transpose3d", "did you mean conv_transpose?"},
      {"F.max_pool1d", "did you mean max_pool?"},
      {"F.adaptive_avg_pool2d", "did you mean adaptive_avg_pool?"},
      {"F.max_unpool2d", "did you mean max_unpool?"},
      {"F.avg_pool3d", "did you mean avg_pool?"},
      {"F.lp_pool2d", "did you mean lp_pool?"},
      {"F.leaky_relu", "did you mean leaky_relu?"},
      {"F.batch_norm", "did you mean batch_norm?"},
      {"GlobalMaxPool", "did you mean global_max_pool?"},
      {"HardSigmoid", "did you mean hardsigmoid?"},
      {"PRelu", "did you mean prelu?"},
      {"DequantizeLinear", "did you mean dequantize?"},
      {"DepthwiseConv2D", "as many groups as channels"},
      {"Conv2DTranspose", "did you mean conv_transpose?"},
      {"ZeroPadding2D", "did you mean pad?"},
      {"MirrorPad", "mode = reflect"},
      {"tf.constant", "did you mean const?"},
      {"placeholder", "after the program's name"},
  };
  for (const Typed& typed : table) {
    INFO(typed.line);
    CHECK_THAT(refusal(program("%y = " + typed.line + " %x")), ContainsSubstring(typed.answer));
  }
}

TEST_CASE("words that stand for nothing here get no misleading neighbour", "[newcomers]") {
  for (const char* word : {"where", "grid_sample", "embedding", "lstm", "attention", "nonzero",
                           "scatter", "logical_and", "Loop", "If", "NonMaxSuppression"}) {
    INFO(word);
    const std::string answer = refusal(program(fmt::format("%y = {} %x", word)));
    CHECK_THAT(answer, ContainsSubstring("is no operator\n"));
  }
}

TEST_CASE("statements written as elsewhere are told how they are written here", "[newcomers]") {
  const std::vector<Typed> table = {
      {"%y = %x + %w", "write add %x, %w"},
      {"%y = %x - %w", "write sub %x, %w"},
      {"%y = %x * %w", "write mul %x, %w"},
      {"%y = %x / %w", "mul by the reciprocal"},
      {"%y = relu %x + %w", "write add in a statement of its own"},
      {"%y = %x * 2", "write mul in a statement of its own"},
      {"%y = %x.relu()", "write relu %x"},
      {"%y = %x", "use %x itself"},
      {"%y = 2", "const [2]"},
      {"%y = [1, 2]", "const [1, 2]"},
      {"%y = \"w.npy\"", "const file("},
      {"%y: f32[n=1] = relu %x", "%y = relu %x : f32[...]"},
      {"%y = conv %x, %weight", "did you mean %w?"},
      {"%y = relu %input", "did you mean %x?"},
      {"%y = max_pool %x, 2", "in braces, as in {kernel = 2}"},
      {"%y = max_pool %x, [2, 2]", "in braces, as in {kernel = 2}"},
      {"%y = conv %x, %w, 2", "in braces, as in {stride = 2}"},
      {"%y = mul %x, 2", "a number is a tensor with a name"},
      {"%y = conv(%x, %w, stride=2)", "write conv %x, %w, and attributes in braces"},
      {"%y = max_pool %image {kernel = 2}", "write f32[n=1, c=4, h=8, w=8]"},
      {"%y = max_pool %flat {kernel = 2}", "write f32[c=1, n=1, h=8, w=8]"},
      {"%y = conv %x, %w {pad = [1, 2, 3, 4]}", "write [(1, 3), (2, 4)]"},
      {"%y = max_pool %x {kernel = 2, pad = [0, 0, 1, 1]}", "write [(0, 1), (0, 1)]"},
      {"%y = pad %x {pad = [1, 2, 3, 4]}",
       "in ONNX's order that is [(1, 3), (2, 4)], in PyTorch's [(3, 4), (1, 2)]"},
      {"%y = conv %x, %w {pad = [0, (1, 2)]}", "write [(0, 0), (1, 2)]"},
      {"%y = conv %x, %w {pad = [(1, 2), 0]}", "write [(1, 2), (0, 0)]"},
      {"%y = conv %x, %w {pad = [[1, 1], [2, 2]]}", "write [(1, 1), (2, 2)]"},
      {"%y = conv %x, %w {pad = [[0, 0], [1, 1], [2, 2], [0, 0]]}", "write [(1, 1), (2, 2)]"},
      {"%y = conv %x, %w {pad = [[0, 0], [0, 0], [1, 1], [2, 2]]}", "write [(1, 1), (2, 2)]"},
      {"%y = conv %x, %w {pad = (1, 2)}", "write [1, 2] for one number an axis"},
      {"%y = conv %x, %w {pad = \"same\"}", "write same, without quotes"},
      {"%y = conv %x, %w {pad = SAME}", "same_upper"},
      {"%y = conv %x, %w {auto_pad = SAME_UPPER}", "did you mean pad?"},
      {"%y = conv %x, %w {pad = NOTSET}", "leave pad out"},
      {"%y = conv %x, %w {stride = None}", "leave stride out"},
      {"%y = conv %x, %w {same}", "did you mean pad = same?"},
      {"%y = conv %x, %w {activation = relu}", "statement of its own"},
      {"%y = conv %x, %w {weight = %w}", "the weight is the second operand"},
      {"%y = conv %x, %w {data_format = NHWC}", "order of the axes"},
      {"%y = avg_pool %x {kernel = 2, include_pad = true}", "did you mean count_include_pad?"},
      {"%y = clamp %x {max_value = 6}", "did you mean max?"},
      {"relu %x", "the statement's result, as in %y = relu"},
  };
  for (const Typed& typed : table) {
    INFO(typed.line);
    CHECK_THAT(refusal(program(typed.line)), ContainsSubstring(typed.answer));
  }
}

TEST_CASE("sizes that are left open are told that there are none", "[newcomers]") {
  for (const char* size : {"?", "None", "N", "batch", "-1"}) {
    INFO(size);
    CHECK_THAT(
        refusal(fmt::format("program @p(%x: f32[n={}, c=3, h=8, w=8]) {{ return %x }}", size)),
        ContainsSubstring("every size is a number: code is made for just these sizes"));
  }
}

TEST_CASE("a value that nobody defined is likely to be one of the few that there are",
          "[newcomers]") {
  const auto hint = [](const std::string& inputs, const std::string& name) {
    return refusal("program @p(" + inputs + ") {\n  %y = relu %" + name + "\n  return %y\n}\n");
  };
  const std::string x = "%x: f32[c=3]", both = x + ", %w: f32[c=3], %b: f32[c=3]";
  CHECK_THAT(hint(both, "weight"), ContainsSubstring("did you mean %w?"));
  CHECK_THAT(hint(both, "bias"), ContainsSubstring("did you mean %b?"));
  CHECK_THAT(hint(both, "input"), ContainsSubstring("did you mean %x?"));
  CHECK_THAT(hint("%weight: f32[c=3], " + x, "w"), ContainsSubstring("did you mean %weight?"));
  CHECK_THAT(hint(both, "k"), ContainsSubstring("what is defined here is %b, %w, %x"));
  // A name that was itself not known is no way out.
  CHECK_THAT(
      refusal("program @p(%x: f32[c=3]) {\n  %y = relu %q\n  %z = relu %q2\n  return %y\n}\n"),
      ContainsSubstring("%q2: is not defined (what is defined here is %x"));
}

} // namespace
} // namespace volute::ir
