#include "runtime/tensor_ref.h"

#include "ir/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace volute::runtime {
namespace {

// The most that a program's type has: a field full of nonsense is not walked.
constexpr int32_t most_extents = 32;

std::optional<std::string> fault_in(const TensorRef& tensor) {
  if (tensor.element > ir::ElementType::i64)
    return fmt::format("a tensor of element type {}, of which there is none",
                       static_cast<int>(tensor.element));
  if (tensor.rank < 0 || tensor.rank > most_extents)
    return fmt::format("a tensor of rank {}", tensor.rank);
  if (tensor.rank > 0 && !tensor.extents) return "a tensor whose extents are a null pointer";
  for (int32_t i = 0; i < tensor.rank; ++i)
    if (tensor.extents[i].axis > ir::Axis::i)
      return fmt::format("a tensor with an axis {}, of which there is none",
                         static_cast<int>(tensor.extents[i].axis));
  return std::nullopt;
}

ir::TensorType unchecked_type(const TensorRef& tensor) {
  return {tensor.element, {tensor.extents, tensor.extents + tensor.rank}};
}

} // namespace

bool has_type(const TensorRef& tensor, const ir::TensorType& type) noexcept {
  const size_t rank = type.extents.size();
  return tensor.element == type.element && tensor.rank == static_cast<int64_t>(rank) &&
         (rank == 0 || tensor.extents) &&
         std::equal(type.extents.begin(), type.extents.end(), tensor.extents);
}

void require_readable(const TensorRef& tensor) {
  if (tensor.rank < 0 || tensor.rank > most_extents || (tensor.rank > 0 && !tensor.extents))
    (void)type_of(tensor); // throws the words
}

ir::TensorType type_of(const TensorRef& tensor) {
  if (const auto fault = fault_in(tensor)) throw Error(fail("", "this is " + *fault).diagnostics);
  return unchecked_type(tensor);
}

std::string type_text(const TensorRef& tensor) {
  if (auto fault = fault_in(tensor)) return *fault;
  return ir::to_string(unchecked_type(tensor));
}

} // namespace volute::runtime
