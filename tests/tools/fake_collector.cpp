// What VTune puts into a process, as far as a JIT sees it: writes down what it is told, into the
// file that FAKE_COLLECTOR_LOG names.
//
// The records are declared here once more and from the outside's description, so that a field that
// the library lays out wrongly is read wrongly.
#include <cstdio>
#include <cstdlib>

namespace {

struct LineNumberInfo {
  unsigned int Offset;
  unsigned int LineNumber;
};

struct iJIT_Method_Load {
  unsigned int method_id;
  char* method_name;
  void* method_load_address;
  unsigned int method_size;
  unsigned int line_number_size;
  LineNumberInfo* line_number_table;
  unsigned int class_id;
  char* class_file_name;
  char* source_file_name;
};

void write(const char* what, const iJIT_Method_Load& method) {
  std::FILE* log = std::fopen(std::getenv("FAKE_COLLECTOR_LOG"), "a");
  if (!log) return;
  std::fprintf(log, "%s %u", what, method.method_id);
  if (method.method_name) {
    const auto* code = static_cast<const unsigned char*>(method.method_load_address);
    std::fprintf(log, " %s %u %s %s %d", method.method_name, method.method_size,
                 method.class_file_name, method.source_file_name ? method.source_file_name : "-",
                 code[0] + code[method.method_size - 1]); // all of it can be read
    for (unsigned int i = 0; i < method.line_number_size; ++i)
      std::fprintf(log, " %u:%u", method.line_number_table[i].Offset,
                   method.line_number_table[i].LineNumber);
  }
  std::fprintf(log, "\n");
  std::fclose(log);
}

} // namespace

extern "C" {

unsigned int Initialize() { return std::getenv("FAKE_COLLECTOR_IDLE") ? 0 : 1; }

unsigned int NotifyEvent(unsigned int event, void* data) {
  if (event == 13) write("load", *static_cast<iJIT_Method_Load*>(data));
  if (event == 14) write("unload", *static_cast<iJIT_Method_Load*>(data));
  return 1;
}

} // extern "C"
