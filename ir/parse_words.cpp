#include "ir/parse_words.h"

#include "ir/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace volute::ir {
namespace {

struct Foreign {
  std::string_view word; // reduced
  std::string_view ours; // a word of the language, or, with a space in it, a whole hint
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::string lower(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// One spelling for those that differ in case and underscores alone: KernelSize and kernel_size.
std::string reduced(std::string_view word) {
  std::string text = lower(word);
  std::erase(text, '_');
  return text;
}

/// The same for operators, which others also name by rank, and in full: nn.MaxPool2d,
/// GlobalAveragePooling2D, batch_normalization.
std::string reduced_operator(std::string_view word) {
  const size_t dot = word.rfind('.');
  std::string text = reduced(dot == std::string_view::npos ? word : word.substr(dot + 1));
  constexpr std::pair<std::string_view, std::string_view> shorter[] = {{"1d", ""},
                                                                       {"2d", ""},
                                                                       {"3d", ""},
                                                                       {"pooling", "pool"},
                                                                       {"average", "avg"},
                                                                       {"normalization", "norm"},
                                                                       {"convolution", "conv"},
                                                                       {"transposed", "transpose"},
                                                                       {"quantized", "quantize"}};
  for (const auto& [from, to] : shorter) replace_all(text, from, to);
  return text;
}

template <size_t size>
std::string_view found_in(const Foreign (&table)[size], std::string_view word) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const Foreign& row) { return row.word == word; });
  return found == std::end(table) ? std::string_view() : found->ours;
}

/// Longer ones are no slip of anybody's, and spelling them anew takes more than their length.
bool is_word_of_hand(std::string_view word) { return word.size() <= 64; }

std::string did_you_mean(std::string_view ours) {
  if (ours.empty() || ours.find(' ') != std::string_view::npos) return std::string(ours);
  return fmt::format("did you mean {}?", ours);
}

// ---- the tables -------------------------------------------------------------------------------

constexpr std::string_view with_groups = "did you mean conv with as many groups as channels?";
constexpr std::string_view one_by_one = "a matrix product is a conv with a filter of 1 by 1";
constexpr std::string_view left_out = "leave it out: it does nothing in inference";
constexpr std::string_view not_joined = "tensors are not joined here: return each of them";
constexpr std::string_view not_cut =
    "negative numbers of pad crop; other parts are views, for the caller";
constexpr std::string_view same_data = "whoever reads the result may shape it anew; a layer over "
                                       "all of an image is a conv with a filter "
                                       "as large as the image";
constexpr std::string_view means =
    "the mean over all of an image is global_avg_pool, over windows avg_pool";
constexpr std::string_view sums =
    "add adds two tensors; a sum over windows is avg_pool with divisor = 1";
constexpr std::string_view quotient = "a quotient is mul by the reciprocal";
constexpr std::string_view enlarged = "conv_transpose enlarges: by nearest neighbour with a filter "
                                      "of ones as large as its stride, and "
                                      "as many groups as channels";
constexpr std::string_view of_results =
    "it is not computed here: apply it to what the program returns";
constexpr std::string_view functions =
    "the functions here are exp, sqrt, abs, tanh and the activations";
constexpr std::string_view other_norm =
    "batch_norm with given statistics is the only normalisation here";
constexpr std::string_view known_type = "did you mean convert, with the result's type after ':'?";
constexpr std::string_view second_result =
    "the place of a maximum is a second result: %y, %index = max_pool %x";

constexpr Foreign operator_words[] = {
    {"convolve", "conv"},
    {"correlate", "conv"},
    {"crosscorrelation", "conv"},
    {"convinteger", "conv"},
    {"qlinearconv", "did you mean conv and then requantize?"},
    {"depthwiseconv", with_groups},
    {"separableconv", with_groups},
    {"groupconv", "did you mean conv with groups?"},
    {"pointwiseconv", one_by_one},
    {"dilatedconv", "did you mean conv with dilation?"},
    {"atrousconv", "did you mean conv with dilation?"},
    {"unfold", "conv and the pools read their windows themselves"},
    {"im2col", "conv and the pools read their windows themselves"},
    {"linear", one_by_one},
    {"bilinear", one_by_one},
    {"fullyconnected", one_by_one},
    {"innerproduct", one_by_one},
    {"einsum", one_by_one},
    {"bmm", one_by_one},
    {"mm", one_by_one},
    {"addmm", one_by_one},
    {"dense", one_by_one},
    {"gemm", one_by_one},
    {"matmul", one_by_one},
    {"deconv", "conv_transpose"},
    {"upconv", "conv_transpose"},
    {"transposeconv", "conv_transpose"},
    {"unpool", "max_unpool"},
    {"l2pool", "lp_pool"},
    {"powavgpool", "lp_pool"},
    {"lppool", "lp_pool"},
    {"clip", "clamp"},
    {"clipbyvalue", "clamp"},
    {"hardtanh", "clamp"},
    {"minimum", "min"},
    {"maximum", "max"},
    {"subtract", "sub"},
    {"minus", "sub"},
    {"multiply", "mul"},
    {"plus", "add"},
    {"residual", "add"},
    {"biasadd", "add"},
    {"sum", sums},
    {"reducesum", sums},
    {"sumpool", sums},
    {"mean", means},
    {"reducemean", means},
    {"gap", "global_avg_pool"},
    {"meanpool", "avg_pool"},
    {"pool", "did you mean max_pool or avg_pool?"},
    {"amax", "did you mean global_max_pool or max_pool?"},
    {"reducemax", "did you mean global_max_pool or max_pool?"},
    {"argmax", second_result},
    {"maxpoolwithargmax", second_result},
    {"maxpoolwithindices", second_result},
    {"div", quotient},
    {"divide", quotient},
    {"truedivide", quotient},
    {"reciprocal", quotient},
    {"pow", "a square is mul %x, %x; a root is sqrt"},
    {"square", "did you mean mul %x, %x?"},
    {"cat", not_joined},
    {"concat", not_joined},
    {"concatenate", not_joined},
    {"stack", not_joined},
    {"split", not_cut},
    {"chunk", not_cut},
    {"slice", not_cut},
    {"stridedslice", not_cut},
    {"narrow", not_cut},
    {"gather", not_cut},
    {"crop", "did you mean pad with negative numbers?"},
    {"centercrop", "did you mean pad with negative numbers?"},
    {"flatten", same_data},
    {"reshape", same_data},
    {"view", same_data},
    {"squeeze", same_data},
    {"unsqueeze", same_data},
    {"expanddims", same_data},
    {"upsample", enlarged},
    {"upsampling", enlarged},
    {"upsamplenearest", enlarged},
    {"upsamplebilinear", enlarged},
    {"interpolate", enlarged},
    {"resize", enlarged},
    {"resizenearestneighbor", enlarged},
    {"resizebilinear", enlarged},
    {"pixelshuffle", enlarged},
    {"depthtospace", enlarged},
    {"softmax", of_results},
    {"logsoftmax", of_results},
    {"softmin", of_results},
    {"topk", of_results},
    {"sort", of_results},
    {"log", functions},
    {"sin", functions},
    {"cos", functions},
    {"tan", functions},
    {"erf", functions},
    {"floor", functions},
    {"ceil", functions},
    {"sign", functions},
    {"crossentropy", of_results},
    {"nllloss", of_results},
    {"mseloss", of_results},
    {"layernorm", other_norm},
    {"groupnorm", other_norm},
    {"instancenorm", other_norm},
    {"rmsnorm", other_norm},
    {"localresponsenorm", other_norm},
    {"lrn", other_norm},
    {"normalize", other_norm},
    {"bn", "batch_norm"},
    {"fusedbatchnorm", "batch_norm"},
    {"frozenbatchnorm", "batch_norm"},
    {"scale", "mul"},
    {"negative", "neg"},
    {"negate", "neg"},
    {"absolute", "abs"},
    {"swish", "silu"},
    {"logistic", "sigmoid"},
    {"hswish", "hardswish"},
    {"hsigmoid", "hardsigmoid"},
    {"hardsilu", "hardswish"},
    {"selu", "did you mean elu with alpha = 1.67326, and mul by 1.0507?"},
    {"celu", "did you mean elu?"},
    {"threshold", "did you mean clamp?"},
    {"relun", "clamp"},
    {"cast", known_type},
    {"castlike", known_type},
    {"astype", known_type},
    {"to", known_type},
    {"type", known_type},
    {"float", known_type},
    {"half", known_type},
    {"int", known_type},
    {"round", known_type},
    {"permute", "reorder"},
    {"transpose", "reorder"},
    {"movedim", "reorder"},
    {"swapaxes", "reorder"},
    {"zeropad", "pad"},
    {"zeropadding", "pad"},
    {"constantpad", "pad"},
    {"reflectionpad", "did you mean pad with mode = reflect?"},
    {"replicationpad", "did you mean pad with mode = replicate?"},
    {"circularpad", "did you mean pad with mode = circular?"},
    {"quantizelinear", "quantize"},
    {"quantizepertensor", "quantize"},
    {"quantizeperchannel", "quantize"},
    {"dequantizelinear", "dequantize"},
    {"mirrorpad", "did you mean pad with mode = reflect?"},
    {"dropout", left_out},
    {"alphadropout", left_out},
    {"featuredropout", left_out},
    {"identity", left_out},
    {"clone", left_out},
    {"copy", left_out},
    {"contiguous", left_out},
    {"detach", left_out},
    {"stopgradient", left_out},
    {"constant", "const"},
    {"parameter", "const"},
    {"tensor", "const"},
    {"array", "const"},
    {"full", "const"},
    {"zeros", "const"},
    {"ones", "const"},
    {"input", "inputs stand in parentheses after the program's name"},
    {"placeholder", "inputs stand in parentheses after the program's name"},
};

// A word may stand for several of ours: the first that the operator has.
constexpr Foreign attribute_words[] = {
    {"padding", "pad"},
    {"pads", "pad"},
    {"paddings", "pad"},
    {"autopad", "pad"},
    {"kernelsize", "kernel"},
    {"kernelshape", "kernel"},
    {"ksize", "kernel"},
    {"poolsize", "kernel"},
    {"window", "kernel"},
    {"size", "kernel"},
    {"strides", "stride"},
    {"dilations", "dilation"},
    {"dilationrate", "dilation"},
    {"rate", "dilation"},
    {"group", "groups"},
    {"numgroups", "groups"},
    {"featuregroupcount", "groups"},
    {"outputpads", "output_padding"},
    {"outputsize", "output"},
    {"outputsize", "output_padding"},
    {"outputshape", "output"},
    {"outputshape", "output_size"},
    {"outputshape", "output_padding"},
    {"ceil", "ceil_mode"},
    {"divisoroverride", "divisor"},
    {"normtype", "p"},
    {"norm", "p"},
    {"ord", "p"},
    {"eps", "epsilon"},
    {"varianceepsilon", "epsilon"},
    {"negativeslope", "slope"},
    {"alpha", "slope"},
    {"includepad", "count_include_pad"},
    {"countincludepadding", "count_include_pad"},
    {"excludepad", "count_include_pad"},
    {"minvalue", "min"},
    {"maxvalue", "max"},
    {"lower", "min"},
    {"upper", "max"},
    {"minval", "min"},
    {"clipvaluemin", "min"},
    {"maxval", "max"},
    {"clipvaluemax", "max"},
    {"mode", "padding_mode"},
    {"paddingmode", "mode"},
    {"constantvalue", "value"},
    {"constantvalues", "value"},
    {"scales", "scale"},
    {"zp", "zero_point"},
    {"zeropoints", "zero_point"},
    {"zeropoint", "x_zero_point"},
    {"inputzeropoint", "x_zero_point"},
    {"weightzeropoint", "w_zero_point"},
};

constexpr std::string_view filter_says = "the weight's type says it, as in [o=64, i=3, h=3, w=3]";
constexpr std::string_view input_says = "the input's type says it, as in [n=1, c=3, h=8, w=8]";
constexpr std::string_view order_says = "the order of the axes in a type is its layout";
constexpr std::string_view type_says = "write the result's type after ':'";

// What no attribute of ours says, for an operator that has none of those above.
constexpr Foreign attribute_notes[] = {
    {"kernel", filter_says},
    {"kernelsize", filter_says},
    {"kernelshape", filter_says},
    {"outchannels", filter_says},
    {"filters", filter_says},
    {"depthmultiplier", filter_says},
    {"inchannels", input_says},
    {"numfeatures", input_says},
    {"numchannels", input_says},
    {"bias", "the bias is the third operand; left out, there is none"},
    {"usebias", "the bias is the third operand; left out, there is none"},
    {"weight", "the weight is the second operand, as in conv %x, %w"},
    {"activation", "write it as a statement of its own, as in %y = relu %0"},
    {"axis", "the names of the axes say it"},
    {"dim", "the names of the axes say it"},
    {"name", "the result's name is the statement's: %y = ..."},
    {"same", "did you mean pad = same?"},
    {"valid", "did you mean pad = valid?"},
    {"sameupper", "did you mean pad = same_upper?"},
    {"samelower", "did you mean pad = same_lower?"},
    {"dataformat", order_says},
    {"memoryformat", order_says},
    {"layout", order_says},
    {"storageorder", order_says},
    {"dtype", type_says},
    {"outputtype", type_says},
    {"returnindices", "write a second result: %y, %index = max_pool %x"},
    {"inplace", "leave it out: every statement gives a new value"},
    {"momentum", left_out},
    {"training", left_out},
    {"affine", left_out},
    {"trackrunningstats", left_out},
};

constexpr Foreign choice_words[] = {
    {"constant", "zeros"},
    {"zero", "zeros"},
    {"edge", "replicate"},
    {"replication", "replicate"},
    {"border", "replicate"},
    {"reflection", "reflect"},
    {"mirror", "reflect"},
    {"wrap", "circular"},
    {"periodic", "circular"},
    {"erf", "none"},
    {"yes", "true"},
    {"no", "false"},
    {"1", "true"},
    {"0", "false"},
};

constexpr Foreign element_words[] = {
    {"float", "f32"},     {"float32", "f32"}, {"fp32", "f32"},    {"single", "f32"},
    {"real", "f32"},      {"tensor", "f32"},  {"double", "f64"},  {"float64", "f64"},
    {"fp64", "f64"},      {"half", "f16"},    {"float16", "f16"}, {"fp16", "f16"},
    {"bfloat16", "bf16"}, {"bfloat", "bf16"}, {"bf", "bf16"},     {"int8", "i8"},
    {"s8", "i8"},         {"char", "i8"},     {"qint8", "i8"},    {"uint8", "u8"},
    {"byte", "u8"},       {"quint8", "u8"},   {"int32", "i32"},   {"int", "i32"},
    {"s32", "i32"},       {"int64", "i64"},   {"long", "i64"},    {"s64", "i64"},
};

constexpr Foreign axis_words[] = {
    {"batch", "n"},  {"b", "n"},       {"channel", "c"}, {"channels", "c"}, {"depth", "d"},
    {"height", "h"}, {"y", "h"},       {"width", "w"},   {"x", "w"},        {"l", "w"},
    {"kd", "d"},     {"kh", "h"},      {"kw", "w"},      {"oc", "o"},       {"out", "o"},
    {"ic", "i"},     {"in", "i"},      {"cin", "i"},     {"cout", "o"},     {"oh", "h"},
    {"ow", "w"},     {"z", "d"},       {"rows", "h"},    {"cols", "w"},     {"length", "w"},
    {"time", "w"},   {"filters", "o"},
};

} // namespace

std::string operator_hint(std::string_view word) {
  if (!is_word_of_hand(word)) return "";
  const std::string plain = reduced_operator(word);
  std::vector<std::string_view> known;
  for (const OperatorRow& row : operators()) {
    if (reduced(row.name) == plain) return did_you_mean(row.name);
    known.push_back(row.name);
  }
  if (const std::string_view ours = found_in(operator_words, plain); !ours.empty())
    return did_you_mean(ours);
  const size_t dot = word.rfind('.');
  const auto similar = nearest_word(dot == std::string_view::npos ? word : plain, known);
  return similar ? did_you_mean(*similar) : "";
}

std::string attribute_hint(std::string_view word, const OperatorRow& row) {
  if (!is_word_of_hand(word)) return "";
  const std::string plain = reduced(word);
  std::vector<std::string_view> known;
  std::string all;
  for (const AttributeRow& attribute : row.attributes) {
    if (reduced(attribute.name) == plain) return did_you_mean(attribute.name);
    known.push_back(attribute.name);
    all += fmt::format("{}{}", all.empty() ? "" : ", ", attribute.name);
  }
  for (const Foreign& foreign : attribute_words)
    if (foreign.word == plain && find_attribute(row, foreign.ours))
      return did_you_mean(foreign.ours);
  if (const std::string_view note = found_in(attribute_notes, plain); !note.empty())
    return std::string(note);
  if (const auto similar = nearest_word(word, known)) return did_you_mean(*similar);
  return all.empty() ? "" : fmt::format("it takes {}", all);
}

std::string choice_hint(std::string_view word, std::span<const std::string_view> words) {
  if (!is_word_of_hand(word)) return "";
  const auto is_ours = [&](std::string_view candidate) {
    return std::find(words.begin(), words.end(), candidate) != words.end();
  };
  if (word.starts_with('"') && word.size() > 2) {
    const std::string_view inside = word.substr(1, word.size() - 2);
    return is_ours(inside) ? fmt::format("write {}, without quotes", inside)
                           : choice_hint(inside, words);
  }
  if (word == "SAME" && is_ours("same_upper")) return "TensorFlow's SAME is same_upper";
  const std::string small = lower(word);
  if (is_ours(small)) return did_you_mean(small);
  if (const std::string_view ours = found_in(choice_words, small); is_ours(ours))
    return did_you_mean(ours);
  const auto similar = nearest_word(word, words);
  return similar ? did_you_mean(*similar) : "";
}

std::string element_hint(std::string_view word) {
  if (!is_word_of_hand(word)) return "";
  if (const std::string small = lower(word); element_type_from(small)) return did_you_mean(small);
  return did_you_mean(found_in(element_words, reduced(word)));
}

std::string axis_hint(std::string_view word) {
  if (!is_word_of_hand(word)) return "";
  const std::string small = lower(word);
  if (small.size() == 1 && axis_from(small.front())) return did_you_mean(small);
  return did_you_mean(found_in(axis_words, small));
}

} // namespace volute::ir
