#include "compiler/image/c_interface.h"

#include "compiler/image/generator.h"
#include "compiler/image/preparation.h"
#include "compiler/image/workspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace volute::compiler {
namespace {

using Place = CInterface::Place;
using Function = CInterface::Function;
using Role = ImageBuffer::Role;

/// As threads write their scratch side by side: two cache lines, for those are fetched in pairs.
constexpr int64_t scratch_unit = 128;

int64_t round_up(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

template <class Visit>
void for_each_touched(const ImageStep& step, Visit visit) {
  for (const auto* buffers : {&step.reads, &step.writes})
    for (const int32_t buffer : *buffers) visit(static_cast<size_t>(buffer));
}

/// The function that runs the steps: its tensors, and where what is prepared lies.
Function function_of(const Image& image, const std::vector<size_t>& steps,
                     const std::vector<bool>& takes, const std::vector<Place>& prepared,
                     int64_t& workspace_bytes) {
  Function function;
  function.steps = steps;
  function.places = prepared;
  std::vector<Resident> residents(image.buffers.size());
  for (const size_t step : steps)
    for_each_touched(image.steps[step], [&](size_t buffer) {
      const bool is_given = image.buffers[buffer].role != Role::intermediate;
      if (is_given || prepared[buffer].in != Place::In::nowhere) return;
      residents[buffer].bytes = image.buffers[buffer].bytes;
      Lifetime& lifetime = residents[buffer].lifetime;
      const auto now = static_cast<int32_t>(step);
      if (lifetime.last_step < 0) lifetime.first_step = now;
      lifetime.last_step = now;
    });
  const WorkspacePlan plan = plan_workspace(residents);
  for (const Role role : {Role::input, Role::output}) {
    for (size_t i = 0; i < image.buffers.size(); ++i) {
      if (!takes[i] || image.buffers[i].role != role) continue;
      function.places[i] = {Place::In::argument, std::ssize(function.tensors)};
      function.tensors.push_back(i);
    }
    if (role == Role::input) function.inputs = function.tensors.size();
  }
  for (size_t i = 0; i < residents.size(); ++i)
    if (residents[i].bytes > 0) function.places[i] = {Place::In::workspace, plan.offsets[i]};
  function.scratch_at = round_up(plan.bytes, scratch_unit);
  workspace_bytes = std::max(workspace_bytes, image.thread_scratch_bytes > 0
                                                  ? function.scratch_at + image.thread_scratch_bytes
                                                  : plan.bytes);
  return function;
}

// ---- the header's text --------------------------------------------------------------------------

std::string_view c_type(ir::ElementType element) {
  switch (element) {
  case ir::ElementType::f32: return "float";
  case ir::ElementType::f64: return "double";
  case ir::ElementType::f16:
  case ir::ElementType::bf16: return "uint16_t";
  case ir::ElementType::i8: return "int8_t";
  case ir::ElementType::u8: return "uint8_t";
  case ir::ElementType::i32: return "int32_t";
  case ir::ElementType::i64: return "int64_t";
  }
  return "void";
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

class Header {
public:
  Header(const CInterface& interface, const Image& image)
      : interface_(interface), image_(image), macro_(upper(interface.name)) {}

  std::string text() {
    says("/* @{}, compiled by Volute (generator {}, LLVM {}) for the processor\n", image_.name,
         generator_version(), llvm_version());
    wrapped("   ", image_.target);
    says("   and those that have all of its instructions. Nothing here checks that.");
    if (image_.needs_tiles)
      says(
          "\n\n   It multiplies on the matrix unit, whose instructions raise SIGILL in a process "
          "that has "
          "not\n   asked Linux for it. Once, before the first call, for all threads that follow "
          "(<unistd.h>,\n   <sys/syscall.h>): syscall(SYS_arch_prctl, 0x1023, 18) is 0 where it is "
          "granted\n   (ARCH_REQ_XCOMP_PERM, for the data of tiles).");
    says(" */\n");
    says("#ifndef VOLUTE_{0}_H\n#define VOLUTE_{0}_H\n\n#include <stdint.h>\n\n", macro_);
    says("#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n");
    tensors();
    sizes();
    functions();
    says("#ifdef __cplusplus\n}}\n#endif\n\n#endif\n");
    return std::move(text_);
  }

private:
  template <class... Values>
  void says(fmt::format_string<Values...> format, Values&&... values) {
    text_ += fmt::format(format, std::forward<Values>(values)...);
  }

  void wrapped(const std::string& indent, const std::string& list) {
    std::string line = indent;
    for (size_t at = 0; at < list.size();) {
      const size_t comma = std::min(list.find(',', at), list.size() - 1);
      const std::string part = list.substr(at, comma + 1 - at);
      if (line.size() + part.size() > 96) {
        text_ += line + "\n";
        line = indent;
      }
      line += part;
      at = comma + 1;
    }
    text_ += line + "\n";
  }

  void tensors() {
    says("/* The tensors, in memory order, the last axis beside itself. None may overlap another"
         "{}. */\n",
         aliases());
    for (const ImageBuffer& buffer : image_.buffers) {
      if (buffer.role == Role::intermediate) continue;
      std::string type = ir::to_string(*buffer.type);
      if (!buffer.strides.empty()) {
        type += ", elements between neighbours:";
        for (const int64_t stride : buffer.strides) type += fmt::format(" {}", stride);
      }
      says("#define {}_{}_BYTES {} /* {} %{}: {} */\n", macro_, upper(buffer.name), buffer.bytes,
           buffer.role == Role::input ? "input" : "output", buffer.name, type);
    }
    text_ += '\n';
  }

  /// Which inputs an output may lie on.
  std::string aliases() const {
    std::string words;
    for (const ImageBuffer& buffer : image_.buffers)
      for (const int32_t input : buffer.may_alias)
        words += fmt::format("{} %{} may be %{}", words.empty() ? "," : " and", buffer.name,
                             image_.buffers[static_cast<size_t>(input)].name);
    return words.empty() ? words : " but that" + words.substr(1);
  }

  void sizes() {
    says("/* Memory of yours, at a multiple of 64; a null pointer where it has 0 bytes. What is\n"
         "   prepared is only read by calls, and serves any number at a time; a workspace serves "
         "one,\n"
         "   and holds nothing between them. */\n");
    says("#define {}_PREPARED_BYTES {}\n#define {}_WORKSPACE_BYTES {}\n\n", macro_,
         interface_.prepared_bytes, macro_, interface_.workspace_bytes);
  }

  /// In lines that begin below the first, which `before` characters stand in front of.
  std::string parameters(const Function& function, bool prepares, size_t before) const {
    std::string list;
    size_t column = before;
    const auto add = [&](const std::string& one) {
      const bool is_long = column + one.size() > 92;
      list += (list.empty() ? "" : is_long ? ",\n    " : ", ") + one;
      column = is_long ? 4 + one.size() : column + 2 + one.size();
    };
    const auto tensor = [&](size_t at, const char* qualifier) {
      const ImageBuffer& buffer = image_.buffers[function.tensors[at]];
      add(fmt::format("{}{} *{}", qualifier, c_type(buffer.type->element),
                      c_parameter(buffer.name)));
    };
    for (size_t i = 0; i < function.inputs; ++i) tensor(i, "const ");
    add(prepares ? "void *prepared" : "const void *prepared");
    for (size_t i = function.inputs; i < function.tensors.size(); ++i) tensor(i, "");
    add("void *workspace");
    return list;
  }

  /// A tensor's name may be a word of C, or that of another parameter.
  static std::string c_parameter(const std::string& name) { return "t_" + name; }

  bool may_fail(const Function& function) const {
    return std::any_of(function.steps.begin(), function.steps.end(),
                       [&](size_t step) { return !image_.steps[step].places.empty(); });
  }

  void functions() {
    const std::string& name = interface_.name;
    const char* result = may_fail(interface_.run) || may_fail(interface_.prepare)
                             ? "0, or 1 when an index in the data is out of range"
                             : "0";
    says("/* Once: packs the weights, and computes whatever follows from them alone. They are not\n"
         "   needed any more then. Returns {}. */\nint {}_prepare({});\n\n",
         result, name, parameters(interface_.prepare, true, name.size() + 13));
    says("/* The outputs of the other inputs. Returns {}. */\nint {}_run({});\n\n", result, name,
         parameters(interface_.run, false, name.size() + 9));
    says("/* The same in parts, for threads of yours: the items [begin, end) of a step, of which\n"
         "   there are {}_STEP_ITEMS. All of a step must be done before the next begins; parts of\n"
         "   one may run at the same time, each with scratch of its own, at a multiple of 64. */\n",
         macro_);
    says("#define {}_STEPS {}\n#define {}_STEP_ITEMS {{", macro_, interface_.run.steps.size(),
         macro_);
    for (size_t i = 0; i < interface_.run.steps.size(); ++i)
      says("{}{}", i > 0 ? ", " : "", image_.steps[interface_.run.steps[i]].work);
    says("}} /* ");
    for (size_t i = 0; i < interface_.run.steps.size(); ++i)
      says("{}{}", i > 0 ? ", " : "", image_.steps[interface_.run.steps[i]].name);
    says(" */\n#define {}_SCRATCH_BYTES {}\n", macro_, interface_.scratch_bytes);
    says("int {}_step(int step, {},\n    void *scratch, int64_t begin, int64_t end);\n\n", name,
         parameters(interface_.run, false, name.size() + 20));
  }

  const CInterface& interface_;
  const Image& image_;
  const std::string macro_;
  std::string text_;
};

} // namespace

std::string c_name(const std::string& program) {
  const bool begins_well =
      !program.empty() && !std::isdigit(static_cast<unsigned char>(program.front()));
  return (begins_well ? "" : "k") + program;
}

Expected<CInterface> c_interface(const Image& image, const std::string& name) {
  if (!image.parameters.empty())
    return fail(image.name, "an object file is of fixed sizes, and each call says those of this");
  CInterface result;
  result.name = name;
  const size_t count = image.buffers.size();
  std::vector<bool> weights(count), others(count);
  for (size_t i = 0; i < count; ++i) {
    const ImageBuffer& buffer = image.buffers[i];
    weights[i] = buffer.role == Role::input && !buffer.type->has(ir::Axis::n);
    others[i] = buffer.role != Role::intermediate && !weights[i];
  }
  const Preparation preparation = prepare(image, weights);
  std::vector<Place> made(count), read(count); // by _prepare, by calls
  for (size_t i = 0; i < count; ++i) {
    if (!preparation.kept[i]) continue;
    read[i] = {Place::In::prepared, result.prepared_bytes};
    if (weights[i])
      result.copied.push_back(i);
    else
      made[i] = read[i];
    result.prepared_bytes += round_up(image.buffers[i].bytes, workspace_alignment);
  }
  result.prepare = function_of(image, preparation.once, weights, made, result.workspace_bytes);
  result.run = function_of(image, preparation.each_call, others, read, result.workspace_bytes);
  result.scratch_bytes = image.thread_scratch_bytes;
  return result;
}

std::string c_header(const CInterface& interface, const Image& image) {
  return Header(interface, image).text();
}

} // namespace volute::compiler
