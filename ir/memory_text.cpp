#include "ir/memory_text.h"

#include "ir/base64.h"
#include "ir/literals.h"
#include "ir/number.h"
#include "ir/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace volute::ir {
namespace {

constexpr int64_t most_written_out = 32; // elements of a table
constexpr size_t bytes_a_line = 72;
constexpr int64_t largest_buffer = int64_t{1} << 48; // whose bytes and subscripts do not overflow

/// The elements as numbers, if those are all that the bytes say.
std::optional<std::vector<std::string>> numbers_of(const Buffer& table) {
  if (table.elements > most_written_out) return std::nullopt;
  std::vector<std::string> numbers;
  const auto size = static_cast<size_t>(size_of(table.element));
  for (int64_t i = 0; i < table.elements; ++i) {
    const std::byte* at = table.data->data() + static_cast<size_t>(i) * size;
    std::array<std::byte, 8> again{};
    if (is_float(table.element)) {
      numbers.push_back(shortest(read_real(at, table.element), table.element));
      const auto value = parse_real(numbers.back(), table.element);
      write_real(again.data(), table.element, value.value_or(0));
    } else {
      numbers.push_back(fmt::format("{}", read_integer(at, table.element)));
      write_integer(again.data(), table.element, read_integer(at, table.element));
    }
    if (std::memcmp(again.data(), at, size) != 0) return std::nullopt;
  }
  return numbers;
}

bool is_whole(const Buffer& table) {
  return table.data &&
         static_cast<int64_t>(table.data->size()) == table.elements * size_of(table.element);
}

constexpr std::array roles = {Buffer::Role::input, Buffer::Role::output, Buffer::Role::intermediate,
                              Buffer::Role::scratch, Buffer::Role::table};

std::optional<Buffer::Role> role_from(std::string_view word) {
  const auto found = std::find_if(roles.begin(), roles.end(),
                                  [&](Buffer::Role role) { return to_string(role) == word; });
  return found == roles.end() ? std::nullopt : std::optional(*found);
}

/// Strides of contiguous memory, as far as they are affine.
std::vector<std::optional<Affine>> usual_strides(const std::vector<Affine>& extents) {
  std::vector<std::optional<Affine>> strides(extents.size());
  std::optional<Affine> stride = 1;
  for (size_t i = extents.size(); i-- > 0;) {
    strides[i] = stride;
    if (!stride) continue;
    if (extents[i].is_constant() && stride->is_constant()) {
      int64_t product = 0;
      const bool fits = !__builtin_mul_overflow(stride->number(), extents[i].number(), &product);
      stride = fits && product < largest_buffer ? std::optional<Affine>(product) : std::nullopt;
    } else if (extents[i] == Affine(1)) {
      continue;
    } else if (stride->is_constant() && std::abs(stride->number()) < (int64_t{1} << 30)) {
      stride = extents[i] * stride->number();
    } else if (extents[i].is_constant() && std::abs(extents[i].number()) < (int64_t{1} << 30)) {
      stride = *stride * extents[i].number();
    } else {
      stride = std::nullopt;
    }
  }
  return strides;
}

} // namespace

// ---- printing ---------------------------------------------------------------------------------

namespace {

/// `[1][8]`, and the strides where they are not those of contiguous memory.
std::string dims_text(const std::vector<Dim>& dims, const std::vector<std::string>& names) {
  std::vector<Affine> extents;
  for (const Dim& dim : dims) extents.push_back(dim.extent);
  const auto usual = usual_strides(extents);
  bool is_usual = true;
  for (size_t i = 0; i < dims.size(); ++i) is_usual &= usual[i] == dims[i].stride;
  std::string text;
  for (const Affine& extent : extents) text += fmt::format("[{}]", to_string(extent, names));
  if (is_usual) return text;
  text += " strides ";
  for (const Dim& dim : dims) text += fmt::format("[{}]", to_string(dim.stride, names));
  return text;
}

} // namespace

std::string buffer_lines(const std::vector<Buffer>& buffers,
                         const std::vector<Parameter>& parameters) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  std::string text;
  for (const Buffer& buffer : buffers) {
    text += fmt::format("{} {}: ", to_string(buffer.role), name_text(buffer.name));
    if (buffer.type) {
      text += to_string(*buffer.type);
      if (buffer.elements != buffer.type->elements())
        text += fmt::format(" in {} elements", buffer.elements);
    } else {
      text += fmt::format("{}[{}]", to_string(buffer.element), buffer.elements);
    }
    if (!buffer.dims.empty()) text += fmt::format(" as {}", dims_text(buffer.dims, names));
    if (buffer.role == Buffer::Role::scratch) text += fmt::format(" at {}", buffer.scratch_offset);
    if (buffer.role == Buffer::Role::table && is_whole(buffer)) {
      const auto numbers = numbers_of(buffer);
      text += numbers ? fmt::format(" = [{}]", fmt::join(*numbers, ", ")) : " = data";
    }
    text += "\n";
  }
  return text;
}

std::string data_sections(const std::vector<Buffer>& buffers) {
  std::string text;
  for (const Buffer& buffer : buffers) {
    if (buffer.role != Buffer::Role::table || !is_whole(buffer) || numbers_of(buffer)) continue;
    text += fmt::format("\ndata {}\n", name_text(buffer.name));
    const std::vector<std::byte>& bytes = *buffer.data;
    for (size_t at = 0; at < bytes.size(); at += bytes_a_line)
      text += fmt::format("  {}\n",
                          base64(bytes.data() + at, std::min(bytes_a_line, bytes.size() - at)));
  }
  return text;
}

std::string to_string(const View& view, const std::vector<Buffer>& buffers,
                      const std::vector<std::string>& names) {
  const auto id = static_cast<size_t>(view.buffer);
  const Buffer& buffer = buffers.at(id);
  std::string text = fmt::format("{}: {} {}{}", name_text(view.name), to_string(buffer.role),
                                 to_string(view.element), dims_text(view.dims, names));
  if (name_text(view.name) != name_text(buffer.name))
    text += fmt::format(" of {}", name_text(buffer.name));
  return text;
}

// ---- reading ----------------------------------------------------------------------------------

bool MemoryParser::starts_buffer(const LineCursor& line) {
  return line.is_name() && role_from(line.token().text) && line.token(2).is(":");
}

// f32[n=1, c=8], the cursor behind the bracket.
std::optional<TensorType> MemoryParser::tensor_type(LineCursor& line, ElementType element) {
  TensorType type{element, {}};
  do {
    const std::string_view word = line.token().text;
    const auto axis = word.size() == 1 ? axis_from(word[0]) : std::nullopt;
    if (!axis) return line.unexpected("an axis, one of n, c, d, h, w, o, i"), std::nullopt;
    line.advance();
    line.expect("=", "'=' after the axis");
    const int64_t size = line.integer("a size");
    if (size < 0) return line.refuse(fmt::format("the size {} is below 0", size)), std::nullopt;
    if (line.failed()) return std::nullopt;
    if (type.extents.size() >= 32) return line.refuse("more than 32 axes"), std::nullopt;
    type.extents.push_back({*axis, size});
  } while (line.accept(","));
  line.expect("]", "',' or ']' after the size");
  if (line.failed()) return std::nullopt;
  if (!checked_bytes(type)) return line.refuse("a tensor of more than 2^62 bytes"), std::nullopt;
  return type;
}

void MemoryParser::buffer(LineCursor& line) {
  Buffer buffer;
  buffer.role = *role_from(line.token().text);
  line.advance();
  const bool is_argument =
      buffer.role == Buffer::Role::input || buffer.role == Buffer::Role::output;
  buffer.name = line.name("the buffer's name");
  // The values of a program are called 0, and %0 where nothing else says that it is a name.
  if (is_argument && buffer.name.starts_with('%')) buffer.name.erase(0, 1);
  line.expect(":", "':' after the buffer's name");
  buffer.element = line.expect_type().element;
  line.expect("[", "'[' and the buffer's size");
  if (line.token(1).is("=")) {
    buffer.type = tensor_type(line, buffer.element);
    if (buffer.type) buffer.elements = buffer.type->elements();
    if (line.accept("in")) {
      buffer.elements = line.integer("how many elements the buffer has");
      line.expect("elements", "'elements'");
    }
  } else {
    buffer.elements = line.integer("how many elements the buffer has");
    line.expect("]", "']' after the number of elements");
  }
  if (buffer.elements < 0 || buffer.elements > largest_buffer)
    line.refuse(fmt::format("{} elements are not a size", buffer.elements));
  if (line.accept("as"))
    buffer.dims = dims(line, [this](std::string_view name) { return parameter_called(name); });
  if (line.accept("at")) buffer.scratch_offset = line.integer("an offset in bytes");
  if (buffer.role == Buffer::Role::table) table(line, buffer);
  line.end_of_line();
  buffers.push_back(std::move(buffer));
}

void MemoryParser::table(LineCursor& line, Buffer& buffer) {
  line.expect("=", "'= [' and the table's elements, or '= data'");
  if (line.accept("data")) {
    without_data_.push_back(buffers.size());
    return;
  }
  line.expect("[", "'[' and the table's elements, or 'data'");
  auto bytes = std::make_shared<std::vector<std::byte>>();
  const auto size = static_cast<size_t>(size_of(buffer.element));
  int64_t count = 0;
  const Location at = line.where();
  while (!line.failed() && !line.is("]")) {
    if (count > 0) line.expect(",", "',' or ']' after the element");
    const Location here = line.where();
    const std::string text = line.number("an element");
    if (line.failed()) return;
    bytes->resize(bytes->size() + size);
    std::byte* to = bytes->data() + bytes->size() - size;
    if (is_float(buffer.element)) {
      const auto value = parse_real(text, buffer.element);
      if (!value)
        return line.refuse_at(
            here, fmt::format("{} is no number of {}", quoted(text), to_string(buffer.element)));
      write_real(to, buffer.element, *value);
    } else {
      const auto value = parse_integer(text);
      if (!value || *value < lowest(buffer.element) || *value > highest(buffer.element))
        return line.refuse_at(
            here, fmt::format("{} is no number of {}", quoted(text), to_string(buffer.element)));
      write_integer(to, buffer.element, *value);
    }
    ++count;
  }
  line.expect("]", "']' after the elements");
  if (count != buffer.elements)
    line.refuse_at(
        at, fmt::format("{} elements are listed, and the table has {}", count, buffer.elements));
  buffer.data = std::move(bytes);
}

int32_t MemoryParser::find(LineCursor& line, Buffer::Role role, const std::string& name) const {
  for (size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].role == role && name_text(buffers[i].name) == name_text(name))
      return static_cast<int32_t>(i);
  line.refuse(fmt::format("there is no buffer `{} {}`", to_string(role), name),
              "buffers are listed at the top");
  return -1;
}

std::vector<Dim> MemoryParser::dims(LineCursor& line,
                                    const LineCursor::Variables& variables) const {
  std::vector<Dim> result;
  std::vector<Affine> extents;
  while (!line.failed() && line.accept("[")) {
    extents.push_back(line.affine(variables));
    line.expect("]", "']' after the extent");
  }
  const auto usual = usual_strides(extents);
  const bool strided = line.accept("strides");
  for (size_t i = 0; i < extents.size() && !line.failed(); ++i) {
    Affine stride;
    if (strided) {
      line.expect("[", "'[' and a stride for every dimension");
      stride = line.affine(variables);
      line.expect("]", "']' after the stride");
    } else if (usual[i]) {
      stride = *usual[i];
    } else {
      line.refuse(fmt::format("the stride of dimension {} does not follow", i),
                  "write `strides [..]..` behind the extents");
    }
    result.push_back({extents[i], stride});
  }
  return result;
}

void MemoryParser::parameter(LineCursor& line) {
  line.advance();
  const Location at = line.where();
  Parameter parameter;
  parameter.name = line.name("the parameter's name");
  line.expect("from", "'from' and the least value");
  parameter.range.least = line.integer("the least value");
  line.expect("to", "'to' and the largest value");
  parameter.range.most = line.integer("the largest value");
  if (line.accept(",")) {
    line.accept("a");
    line.expect("multiple", "'multiple of' and a number"), line.expect("of", "'of' and a number");
    parameter.range.multiple = line.integer("a number");
  }
  line.end_of_line();
  if (parameter_called(parameter.name))
    line.refuse_at(at, fmt::format("there is a parameter {} already", quoted(parameter.name)));
  parameters.push_back(std::move(parameter));
}

std::optional<Var> MemoryParser::parameter_called(std::string_view name) const {
  for (size_t i = 0; i < parameters.size(); ++i)
    if (parameters[i].name == name) return Var{static_cast<int32_t>(i)};
  return std::nullopt;
}

View MemoryParser::view(LineCursor& line, std::string name,
                        const LineCursor::Variables& variables) const {
  View view;
  view.name = std::move(name);
  const auto role = role_from(line.token().text);
  if (!role)
    return line.unexpected("a buffer's role: input, output, intermediate, scratch or table"), view;
  line.advance();
  view.element = line.expect_type().element;
  view.dims = dims(line, variables);
  std::string buffer = view.name;
  if (line.accept("of")) buffer = line.name("the buffer's name");
  if (!line.failed()) view.buffer = find(line, *role, buffer);
  line.end_of_line();
  return view;
}

size_t MemoryParser::data(const std::vector<Line>& lines, size_t at) {
  LineCursor head(lines[at], faults_);
  head.advance();
  const std::string name = head.name("the table's name");
  head.end_of_line();
  const int32_t id = head.failed() ? -1 : find(head, Buffer::Role::table, name);
  auto bytes = std::make_shared<std::vector<std::byte>>();
  const int indent = lines[at].indent;
  size_t end = at + 1;
  for (; end < lines.size() && lines[end].indent > indent; ++end) {
    uint32_t word = 0;
    int held = 0, padding = 0;
    for (size_t i = static_cast<size_t>(lines[end].indent); i < lines[end].text.size(); ++i) {
      const char c = lines[end].text[i];
      if (c == '\r' || c == ' ') continue;
      const size_t digit = base64_digits.find(c);
      if (c != '=' && digit == std::string_view::npos) {
        faults_.add({lines[end].number, static_cast<int>(i) + 1},
                    fmt::format("{} is no digit of base 64", quoted(std::string_view(&c, 1))));
        return end;
      }
      word = word << 6 | (c == '=' ? 0 : static_cast<uint32_t>(digit));
      padding += c == '=';
      if (++held < 4) continue;
      for (int j = 0; j < 3 - padding; ++j)
        bytes->push_back(static_cast<std::byte>(word >> (16 - 8 * j)));
      word = 0, held = 0;
    }
    if (held != 0 || padding > 2)
      faults_.add({lines[end].number, 1}, "a line of base 64 has groups of 4 digits");
  }
  if (id < 0) return end;
  Buffer& buffer = buffers[static_cast<size_t>(id)];
  const int64_t wanted = buffer.elements * size_of(buffer.element);
  if (std::erase(without_data_, static_cast<size_t>(id)) == 0)
    faults_.add({lines[at].number, 1},
                fmt::format("table {} has its elements already", quoted(name)));
  else if (static_cast<int64_t>(bytes->size()) != wanted)
    faults_.add({lines[at].number, 1}, fmt::format("table {} takes {} bytes, and {} are here",
                                                   quoted(name), wanted, bytes->size()));
  buffer.data = std::move(bytes);
  return end;
}

void MemoryParser::finish(Location where) {
  for (size_t id : without_data_)
    faults_.add(where, fmt::format("the data of table {} are missing", quoted(buffers[id].name)),
                fmt::format("`data {}` and its bytes follow at the end", buffers[id].name));
}

std::vector<int64_t> parse_entries(LineCursor& line) {
  std::vector<int64_t> entries;
  line.expect("[", "'[' and the table's entries");
  while (!line.failed() && !line.is("]")) {
    if (!entries.empty()) line.expect(",", "',' or ']' after the entry");
    entries.push_back(line.integer("a whole number"));
  }
  line.expect("]", "']' after the entries");
  line.end_of_line();
  return entries;
}

} // namespace volute::ir
