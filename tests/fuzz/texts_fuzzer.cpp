// libFuzzer over all that is read: programs, schedules, nests, loops, .npy and .png. Whatever the
// bytes, they are accepted or refused; what is accepted verifies, and survives printing.
//
//     cmake --preset fuzzer && cmake --build --preset fuzzer
//     build/fuzzer/tests/texts_fuzzer -max_total_time=3600 -max_len=4096
//         -dict=tests/fuzz/words.dict NEW tests/fuzz/corpus
//
// (in one line) finds new inputs in the folder NEW from those of the corpus. The first byte of an
// input says what the others are; VOLUTE_FUZZ_READER=p in the environment keeps to those that begin
// with p. The few that reach more code, each branch once, are kept by
//
//     build/fuzzer/tests/texts_fuzzer -set_cover_merge=1 -use_counters=0 -max_len=200
//         ALL NEW
//
// where ALL is a copy of the corpus; what that has put there goes to tests/fuzz/corpus/found.

#include "compiler/schedule/schedule.h"
#include "ir/loops.h"
#include "ir/nest.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "runtime/npy.h"
#include "runtime/png.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

using namespace volute;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// What is accepted prints as what reads as the same again.
template <class Parsed, class Parse>
void survives_printing(const Parsed& parsed, const Parse& parse) {
  const std::string text = to_string(parsed);
  const auto again = parse(text);
  require(again.has_value() && to_string(*again) == text);
}

void program(std::string_view text) {
  const auto parse = [](std::string_view t) { return ir::parse(t); };
  const Expected<ir::Program> parsed = parse(text);
  if (!parsed) return;
  require(ir::verify(*parsed).empty());
  survives_printing(*parsed, parse);
}

void schedule(std::string_view text) {
  const Expected<compiler::Schedules> parsed = compiler::parse_schedules(text);
  if (parsed) survives_printing(*parsed, compiler::parse_schedules);
}

void nests(std::string_view text) {
  const Expected<ir::NestProgram> parsed = ir::parse_nests(text);
  if (parsed) survives_printing(*parsed, ir::parse_nests);
}

void loops(std::string_view text) {
  const Expected<ir::LoopProgram> parsed = ir::parse_loops(text);
  if (parsed) survives_printing(*parsed, ir::parse_loops);
}

/// The bytes as a file that is in memory alone.
class MemoryFile {
public:
  explicit MemoryFile(std::string_view bytes) : file_(memfd_create("fuzzed", 0)) {
    require(file_ >= 0 &&
            write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

private:
  int file_;
};

void npy(std::string_view bytes) {
  const MemoryFile file(bytes);
  (void)runtime::read_npy_header(file.path());
  for (const char* type : {"f32[n=1, c=2, w=3]", "u8[n=1, c=1, h=2, w=2]", "bf16[o=4]"}) {
    const auto typed = ir::parse(std::string("program @t(%x: ") + type + ") { return %x }");
    (void)runtime::read_npy(file.path(), typed->values[0].type);
  }
}

void png(std::string_view bytes) {
  const MemoryFile file(bytes);
  const auto size = runtime::read_png_size(file.path());
  if (!size || size->height * size->width > 1 << 16) return;
  for (const int64_t channels : {1, 3})
    (void)runtime::read_png(file.path(), {ir::ElementType::u8,
                                          {{ir::Axis::n, 1},
                                           {ir::Axis::h, size->height},
                                           {ir::Axis::w, size->width},
                                           {ir::Axis::c, channels}}});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const char* const only = std::getenv("VOLUTE_FUZZ_READER");
  if (size == 0 || (only && data[0] != static_cast<uint8_t>(*only))) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
  case 'p': program(rest); break;
  case 's': schedule(rest); break;
  case 'n': nests(rest); break;
  case 'l': loops(rest); break;
  case 'y': npy(rest); break;
  case 'g': png(rest); break;
  default: break;
  }
  return 0;
}
