#include "compiler/compile.h"

#include "compiler/codegen/codegen.h"
#include "compiler/codegen/compiling.h"
#include "compiler/image/c_interface.h"
#include "compiler/image/generator.h"
#include "compiler/image/preparation.h"
#include "compiler/image_tables.h"
#include "compiler/report/kernel_name.h"
#include "compiler/report/spills.h"
#include "compiler/within_budget.h"
#include "ir/effects.h"
#include "ir/verify.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <string_view>
#include <unordered_map>

namespace volute::compiler {

using namespace ir;

namespace {

/// The most that a workspace may take: the language's limit on one tensor.
constexpr int64_t most_workspace_bytes = int64_t{1} << 62;

/// CPU time of the calling thread, in milliseconds.
double thread_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

/// The step's work: what is known of it, and what the program's parameters decide.
void set_work(ImageStep& placed, const Step& step, const LoopProgram& program) {
  placed.work = 1;
  for (const ItemLoop& item : step.items) {
    if (item.count.is_constant()) {
      placed.work *= item.count.number();
      continue;
    }
    Affine count = item.count.constant_term();
    for (const Affine::Term& term : item.count.terms()) {
      const std::string& name = step.vars[static_cast<size_t>(term.var.id)];
      const auto at = std::find_if(program.parameters.begin(), program.parameters.end(),
                                   [&](const Parameter& p) { return p.name == name; });
      count +=
          Affine(Var{static_cast<int32_t>(at - program.parameters.begin())}) * term.coefficient;
    }
    placed.work_by.push_back(std::move(count));
  }
}

/// What the scattered writes of a step take for places.
std::vector<ImagePlaces> places_in(const Step& step, const LoopProgram& program,
                                   const Program& from, const std::vector<int32_t>& slots) {
  std::vector<ImagePlaces> all;
  const auto index_of = [&](int32_t view) {
    return static_cast<size_t>(step.views[static_cast<size_t>(view)].buffer);
  };
  visit(step.body, [&](const StmtNode& s) {
    const auto* scatter = std::get_if<Scatter>(&s.is);
    if (!scatter) return;
    int32_t places_in_slot = -1;
    visit(scatter->offset, [&](const ExprNode& e) {
      if (const auto* load = std::get_if<Load>(&e.is)) places_in_slot = slots[index_of(load->view)];
    });
    if (auto found = places_of(program.buffers[index_of(scatter->view)].name, places_in_slot, from))
      all.push_back(std::move(*found));
  });
  return all;
}

std::vector<ImageStep> image_steps(const LoopProgram& program, const Program& from) {
  const std::vector<int32_t> slots = argument_slots(program.buffers);
  std::vector<ImageStep> steps;
  for (const Step& step : program.steps) {
    const Effects touched = effects(step);
    ImageStep placed;
    placed.name = step.name;
    placed.reads = passed(touched.reads, slots);
    placed.writes = passed(touched.writes, slots);
    steps.push_back(std::move(placed));
    set_work(steps.back(), step, program);
    steps.back().places = places_in(step, program, from, slots);
  }
  return steps;
}

/// What only a program says of its memory is missing where nests or loops came without it.
std::optional<Failure> unknown_strides(const LoopProgram& program, const StridesByName& strides) {
  for (const Buffer& buffer : program.buffers)
    if (buffer.type && buffer.dims.empty() && buffer.elements > buffer.type->elements() &&
        !strides.count(buffer.name))
      return fail(program.name,
                  fmt::format("{} {} lies in memory of {} elements, and nothing says how far apart "
                              "its own {} are",
                              ir::to_string(buffer.role), buffer.name, buffer.elements,
                              buffer.type->elements()),
                  "CompileRequest::strides does");
  return std::nullopt;
}

// ---- the passes of code generation ------------------------------------------------------------

using Request = const CompileRequest&;

std::vector<Diagnostic> unverified(const Stages&) { return {}; }

constexpr Level llvm_level = {"LLVM IR", [](const Stages& s) { return s.generation->verify(); },
                              [](const Stages& s) { return s.generation->llvm_text(); }};

constexpr Level assembly_level = {"assembly", unverified,
                                  [](const Stages& s) { return s.assembly; }};

constexpr Level object_level = {"object", unverified, [](const Stages& s) {
                                  return fmt::format("an object of {} bytes\n",
                                                     s.generation->object_bytes());
                                }};

constexpr Level image_level = {"image", unverified, [](const Stages& s) {
                                 const Code& code = s.generation->code();
                                 return fmt::format("{} bytes, {} of them code\n",
                                                    code.bytes.size(), code.text_bytes);
                               }};

Expected<Stages> into_llvm(Stages s, Request request) {
  LoopsText text;
  // An object file that is asked for is linked by others, and has none of it.
  if (const std::string& folder = request.debug_folder; !folder.empty() && !s.interface) {
    LoopProgram without_data = s.loops;
    for (Buffer& buffer : without_data.buffers) buffer.data = nullptr;
    text = text_of(without_data);
    s.debug =
        std::make_shared<DebugObject>(DebugObject{{}, folder, source_name(s.loops), text.text});
  }
  Expected<Generation> generation =
      Generation::emit(s.loops, request.target, s.debug ? &text : nullptr, request.debug_folder);
  if (!generation) return generation.failure();
  s.generation = std::make_shared<Generation>(std::move(*generation));
  if (s.interface) s.generation->add_interface(*s.interface, *s.tables);
  if (request.llvm_text) s.llvm = s.generation->llvm_text();
  return s;
}

Expected<Stages> into_assembly(Stages s, Request request) {
  if (!request.assembly && !request.spills) return s;
  const double start_ms = thread_ms();
  Expected<Listing> listing = list(s.loops, request.target, request.assembly);
  if (!listing) return listing.failure();
  if (request.assembly) s.assembly = listing->text();
  s.listing = std::make_shared<const Listing>(std::move(*listing));
  s.aside_ms = thread_ms() - start_ms;
  return s;
}

/// LLVM is not interrupted, so it is not begun with more than there is time for. What it takes for
/// an instruction at least: 15 us where registers suffice, up to 50 in long straight code.
constexpr double seconds_an_instruction = 15e-6;

Expected<Stages> into_object(Stages s, Request request) {
  const size_t instructions = s.generation->instructions();
  if (static_cast<double>(instructions) * seconds_an_instruction > ir::seconds_left())
    return over_budget(s.loops.name, fmt::format("{} s of processor time: it has {} instructions",
                                                 request.budget.seconds, instructions));
  const Expected<bool> made = s.generation->make_object();
  if (!made) return made.failure();
  if (s.debug) s.debug->elf = s.generation->object();
  return s;
}

Expected<Stages> into_bytes(Stages s, Request) {
  s.generation->link();
  return s;
}

// clang-format off

constexpr Pass code_passes[] = {
    {"emit", "loops", llvm_level,
     "every statement of the loops is spelt out as LLVM IR; no decision is left", into_llvm},
    {"assembly", "LLVM IR", assembly_level,
     "the machine code as text, where it is asked for: generated once more, with its line table", into_assembly},
    {"object", "LLVM IR", object_level,
     "LLVM selects instructions, allocates registers and schedules", into_object},
    {"link", "object", image_level,
     "the object is linked against itself: bytes that run wherever they lie", into_bytes},
};

// clang-format on

double ms_of(const Report& report, std::string_view pass) {
  for (const PassTime& time : report.passes)
    if (time.pass == pass) return time.total_ms();
  return 0;
}

Expected<Compiled> generated(Stages stages, const CompileRequest& request, double start_ms);

/// All of it, from what `to_loops` takes.
template <class Source>
Expected<Compiled> compiled(const Source& source, const CompileRequest& request,
                            Expected<Stages> (*to_loops)(const Source&, const CompileRequest&)) {
  const double start_ms = thread_ms();
  const Compiling under_way(request.target);
  if (!under_way) return fail(source.name, "the process is ending, and nothing is compiled now");
  return within(request.budget, source.name, [&]() -> Expected<Compiled> {
    Expected<Stages> stages = to_loops(source, request);
    if (!stages) return stages.failure();
    if (auto refused = unknown_strides(stages->loops, request.strides)) return *refused;
    return generated(std::move(*stages), request, start_ms);
  });
}

} // namespace

std::span<const Pass> passes_to_code() { return code_passes; }

std::vector<Pass> all_passes() {
  std::vector<Pass> table;
  for (const std::span<const Pass> part : {passes_to_loops(), passes_to_code()})
    for (const Pass& pass : part) table.push_back(pass);
  return table;
}

Expected<Compiled> compile(const Program& program, const CompileRequest& request) {
  if (std::vector<Diagnostic> faults = verify(program); !faults.empty())
    return Failure{std::move(faults)};
  const Expected<StridesByName> strides = checked_strides(program, request.strides);
  if (!strides) return strides.failure();
  CompileRequest checked = request;
  checked.strides = *strides;
  return compiled(program, checked, specialise_program);
}

Expected<Compiled> compile(const NestProgram& nests, const CompileRequest& request) {
  return compiled(nests, request, specialise_nests);
}

Expected<Compiled> compile(const LoopProgram& loops, const CompileRequest& request) {
  return compiled(loops, request, finish_loops);
}

namespace {

Expected<Compiled> generated(Stages stages, const CompileRequest& request, double start_ms) {
  Compiled compiled;
  Image& image = compiled.image;
  image.buffers = image_buffers(stages, stages.loops.buffers, request.strides);
  image.steps = image_steps(stages.loops, stages.program);
  const std::vector<Resident> residents = workspace_residents(image, prepare(image));
  if (unshared_bytes(residents) > most_workspace_bytes)
    return fail(stages.loops.name, "the results between its steps take more than 2^62 bytes");
  allow_in_place(image, stages, stages.loops.buffers);
  image.name = stages.loops.name;
  image.target = to_string(request.target);
  image.parameters = stages.loops.parameters;
  for (const Step& step : stages.loops.steps) {
    image.thread_scratch_bytes = std::max(image.thread_scratch_bytes, step.scratch_bytes);
    for (const RegisterArray& array : step.arrays) image.needs_tiles |= array.rows > 0;
  }
  if (!request.object_name.empty()) {
    const Expected<CInterface> interface = c_interface(image, request.object_name);
    if (!interface) return interface.failure();
    stages.interface = std::make_shared<const CInterface>(*interface);
    stages.tables = std::make_shared<const Image>(image);
  }

  Expected<Stages> made = run(code_passes, std::move(stages), request);
  if (!made) return made.failure();
  compiled.stages = std::move(*made);
  compiled.report = std::move(compiled.stages.report);
  compiled.llvm = std::move(compiled.stages.llvm);
  compiled.assembly = std::move(compiled.stages.assembly);
  compiled.listing = compiled.stages.listing;
  if (compiled.listing) {
    std::vector<std::string> steps;
    for (const Step& step : compiled.stages.loops.steps) steps.push_back(step.name);
    count_spills(compiled.report.nests, *compiled.listing, steps);
  }
  const std::shared_ptr<Generation> generation = std::move(compiled.stages.generation);
  Code& code = generation->code();
  const LoopProgram& loops = compiled.stages.loops;

  image.debug = compiled.stages.debug;
  image.bytes = std::move(code.bytes);
  image.text_bytes = code.text_bytes;
  if (compiled.stages.interface) {
    compiled.object = generation->object();
    compiled.header = c_header(*compiled.stages.interface, image);
  }
  std::unordered_map<std::string_view, NestReport*> reports;
  for (NestReport& report : compiled.report.nests) reports.emplace(report.name, &report);
  for (size_t i = 0; i < loops.steps.size(); ++i) {
    const Step& step = loops.steps[i];
    image.steps[i].entry = code.entries[i];
    image.steps[i].size = code.sizes[i];
    image.steps[i].symbol = kernel_name(
        loops, i, compiled.stages.written, request.target,
        std::span<const std::byte>(image.bytes).subspan(code.entries[i], code.sizes[i]));
    if (const auto report = reports.find(step.name); report != reports.end())
      report->second->code_bytes = static_cast<int64_t>(code.sizes[i]);
  }

  Report& report = compiled.report;
  report.prepared = prepared_steps(image);
  report.llvm = llvm_version();
  report.text_bytes = static_cast<int64_t>(image.text_bytes);
  report.needs_tiles = image.needs_tiles;
  report.constant_bytes = static_cast<int64_t>(image.bytes.size() - image.text_bytes);
  report.intermediate_bytes = unshared_bytes(residents);
  report.workspace_bytes = plan_workspace(residents).bytes;
  report.thread_scratch_bytes = image.thread_scratch_bytes;
  report.emit_ms = ms_of(report, "emit");
  report.object_ms = ms_of(report, "object");
  report.link_ms = ms_of(report, "link");
  report.cpu_ms = thread_ms() - start_ms - compiled.stages.aside_ms;
  return compiled;
}

} // namespace

} // namespace volute::compiler
