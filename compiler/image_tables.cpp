#include "compiler/image_tables.h"

#include "compiler/image/places.h"
#include "compiler/lower/nest_builder.h"
#include "compiler/nests/in_place.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

ImageBuffer::Role role_of(const Buffer& buffer) {
  switch (buffer.role) {
  case Buffer::Role::output: return ImageBuffer::Role::output;
  case Buffer::Role::intermediate: return ImageBuffer::Role::intermediate;
  default: return ImageBuffer::Role::input;
  }
}

/// The value of the program as it was written that an intermediate buffer holds as it was written.
std::optional<ValueId> value_in(const Buffer& buffer, const Stages& stages) {
  const auto written = static_cast<ValueId>(stages.written.values.size());
  if (buffer.role != Buffer::Role::intermediate || buffer.value < 0 || buffer.value >= written)
    return std::nullopt;
  if (stages.written.type(buffer.value) != stages.program.type(buffer.value)) return std::nullopt;
  return buffer.value;
}

} // namespace

std::vector<int32_t> argument_slots(const std::vector<Buffer>& buffers) {
  std::vector<int32_t> slots;
  int32_t next = 0;
  for (const Buffer& buffer : buffers) {
    const bool passed = buffer.role != Buffer::Role::table && buffer.role != Buffer::Role::scratch;
    slots.push_back(passed ? next++ : -1);
  }
  return slots;
}

std::vector<ImageBuffer> image_buffers(const Stages& stages, const std::vector<Buffer>& buffers,
                                       const StridesByName& strides) {
  const std::vector<int32_t> slots = argument_slots(buffers);
  std::vector<ImageBuffer> result;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (slots[i] < 0) continue;
    const Buffer& buffer = buffers[i];
    ImageBuffer placed;
    placed.name = buffer.name;
    placed.role = role_of(buffer);
    placed.bytes = buffer.elements * size_of(buffer.element);
    placed.type = buffer.type;
    placed.dims = buffer.dims;
    if (const std::optional<ValueId> value = value_in(buffer, stages)) {
      placed.value = stages.written.name_of(*value);
      placed.type = stages.written.type(*value);
    }
    const bool is_given =
        placed.role == ImageBuffer::Role::input || placed.role == ImageBuffer::Role::output;
    if (const auto found = strides.find(buffer.name); is_given && found != strides.end())
      placed.strides = found->second;
    result.push_back(std::move(placed));
  }
  return result;
}

void allow_in_place(Image& image, const Stages& stages, const std::vector<Buffer>& buffers) {
  // The nests must run in the order in which they were looked at.
  const std::vector<Nest>& nests = stages.nests.nests;
  if (std::any_of(nests.begin(), nests.end(), [](const Nest& n) { return n.placement; })) return;
  const std::vector<int32_t> slots = argument_slots(buffers);
  for (const auto& [input, output] : in_place_pairs(stages.nests))
    image.buffers[static_cast<size_t>(slots[static_cast<size_t>(output)])].may_alias.push_back(
        slots[static_cast<size_t>(input)]);
}

std::vector<int32_t> passed(const std::vector<int32_t>& buffers,
                            const std::vector<int32_t>& slots) {
  std::vector<int32_t> result;
  for (const int32_t buffer : buffers)
    if (const int32_t slot = slots[static_cast<size_t>(buffer)]; slot >= 0) result.push_back(slot);
  return result;
}

// The statement of a scattered write is found by its result, whose buffer has its name.
std::optional<ImagePlaces> places_of(const std::string& buffer, int32_t slot,
                                     const Program& program) {
  const auto is_it = [&](const Statement& s) {
    return std::holds_alternative<MaxUnpool>(s.operation) &&
           spoken(program.name_of(s.results.front())) == buffer;
  };
  const auto unpool = std::find_if(program.statements.begin(), program.statements.end(), is_it);
  if (unpool == program.statements.end()) return std::nullopt;
  const ValueId index = unpool->operands[1];
  const TensorType& type = program.type(unpool->results.front());
  ImagePlaces places{program.name_of(index), program.type(index), 1, -1, ""};
  for (const Axis axis : type.spatial_axes()) places.limit *= type.size(axis);
  const Statement* given = program.definition(index);
  if (const auto* constant = given ? std::get_if<Const>(&given->operation) : nullptr)
    places.fault = fault_in_places(places, constant->bytes->data()).value_or("");
  else
    places.buffer = slot;
  return places;
}

} // namespace volute::compiler
