#include "compiler/plain_program.h"

#include "compiler/image_tables.h"
#include "compiler/pipeline.h"
#include "ir/walk.h"

#include <set>

namespace volute::compiler {

using namespace ir;

namespace {

/// The buffers that an expression reads.
void add_reads(const Expr& expr, const Nest& nest, std::set<int32_t>& buffers) {
  visit(expr, [&](const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is))
      buffers.insert(nest.operands[static_cast<size_t>(read->operand)].buffer);
  });
}

ImageStep step_of(const Nest& nest, const PlainProgram& plain, const Program& from) {
  std::set<int32_t> reads, writes;
  for (const Accumulator& accumulator : nest.accumulators) {
    add_reads(accumulator.initial, nest, reads);
    add_reads(accumulator.update, nest, reads);
  }
  ImageStep step;
  step.name = nest.name;
  for (const Write& write : nest.writes) {
    add_reads(write.value, nest, reads);
    const int32_t into = nest.operands[static_cast<size_t>(write.operand)].buffer;
    writes.insert(into);
    if (!write.offset) continue;
    std::set<int32_t> offsets;
    add_reads(write.offset, nest, offsets);
    reads.insert(offsets.begin(), offsets.end());
    const int32_t slot = offsets.empty() ? -1 : plain.slots[static_cast<size_t>(*offsets.begin())];
    if (auto places = places_of(plain.nests.buffers[static_cast<size_t>(into)].name, slot, from))
      step.places.push_back(std::move(*places));
  }
  step.reads = passed({reads.begin(), reads.end()}, plain.slots);
  step.writes = passed({writes.begin(), writes.end()}, plain.slots);
  return step;
}

} // namespace

Expected<PlainProgram> plain_program(const Program& program, const CompileRequest& request) {
  Expected<Stages> lowered = lower_program(program, request);
  if (!lowered) return lowered.failure();
  PlainProgram plain;
  plain.nests = lowered->pieces;
  plain.slots = argument_slots(plain.nests.buffers);
  plain.image.name = plain.nests.name;
  plain.image.target = to_string(request.target);
  plain.image.buffers = image_buffers(*lowered, plain.nests.buffers, request.strides);
  allow_in_place(plain.image, *lowered, plain.nests.buffers);
  for (const Nest& nest : plain.nests.nests)
    plain.image.steps.push_back(step_of(nest, plain, lowered->program));
  return plain;
}

} // namespace volute::compiler
