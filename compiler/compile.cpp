#include "compiler/compile.h"

#include "compiler/codegen/codegen.h"

#include <fmt/format.h>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t alignment = 64;

int64_t aligned(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Buffers that the caller or the runtime provides, and where those in the workspace lie.
void place_buffers(Image& image, const LoopProgram& program) {
  const std::vector<int32_t> slots = argument_slots(program.buffers);
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    if (slots[i] < 0) continue;
    const Buffer& buffer = program.buffers[i];
    ImageBuffer placed{buffer.name,
                       ImageBuffer::Role::input,
                       buffer.elements * size_of(buffer.element),
                       buffer.type,
                       0,
                       -1};
    switch (buffer.role) {
    case Buffer::Role::output: placed.role = ImageBuffer::Role::output; break;
    case Buffer::Role::packed: placed.role = ImageBuffer::Role::packed; break;
    case Buffer::Role::intermediate: placed.role = ImageBuffer::Role::intermediate; break;
    default: break;
    }
    if (buffer.packed_from >= 0)
      placed.packed_from = slots[static_cast<size_t>(buffer.packed_from)];
    if (placed.role == ImageBuffer::Role::packed ||
        placed.role == ImageBuffer::Role::intermediate) {
      placed.workspace_offset = image.workspace_bytes;
      image.workspace_bytes += aligned(placed.bytes);
    }
    image.buffers.push_back(std::move(placed));
  }
}

} // namespace

Expected<Compiled> compile(const Program& program, const CompileRequest& request) {
  Expected<Stages> stages = specialise_program(program, request);
  if (!stages) return stages.failure();
  Compiled compiled;
  compiled.stages = std::move(*stages);
  compiled.report = std::move(compiled.stages.report);
  const LoopProgram& loops = compiled.stages.loops;

  Expected<Code> code = generate(loops, request.target, {request.llvm_text, request.assembly});
  if (!code) return code.failure();
  compiled.llvm = std::move(code->llvm);
  compiled.assembly = std::move(code->assembly);

  Image& image = compiled.image;
  image.name = program.name;
  image.target = to_string(request.target);
  image.bytes = std::move(code->bytes);
  image.text_bytes = code->text_bytes;
  image.parameters = loops.parameters;
  place_buffers(image, loops);
  const std::vector<int32_t> slots = argument_slots(loops.buffers);
  size_t nest = 0;
  for (size_t i = 0; i < loops.steps.size(); ++i) {
    const Step& step = loops.steps[i];
    image.steps.push_back({step.name, code->entries[i], step.work(),
                           step.packs < 0 ? -1 : slots[static_cast<size_t>(step.packs)]});
    image.thread_scratch_bytes = std::max(image.thread_scratch_bytes, step.scratch_bytes);
    if (step.packs < 0)
      compiled.report.nests[nest++].code_bytes = static_cast<int64_t>(code->sizes[i]);
  }

  Report& report = compiled.report;
  report.llvm = llvm_version();
  report.text_bytes = static_cast<int64_t>(image.text_bytes);
  report.constant_bytes = static_cast<int64_t>(image.bytes.size() - image.text_bytes);
  report.workspace_bytes = image.workspace_bytes;
  report.thread_scratch_bytes = image.thread_scratch_bytes;
  report.emit_ms = code->emit_ms;
  report.object_ms = code->object_ms;
  report.link_ms = code->link_ms;
  return compiled;
}

} // namespace volute::compiler
