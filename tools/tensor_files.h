// Tensors on the command line: NAME=in.npy, -o NAME=out.png, --fill.
#pragma once

#include "ir/program.h"
#include "runtime/tensor.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace volute::tools {

struct NamedFile {
  std::string name; // of an input or output, without the %
  std::string path; // .npy or .png
};

/// Splits NAME=FILE. `option` is what to call it in a refusal: "-o y=out.npy".
NamedFile parse_named_file(const std::string& text, const std::string& option);

/// Reads a .npy or .png file as the type, by its ending. A failure's subject is the path.
Expected<runtime::Tensor> read_tensor(const std::string& path, const ir::TensorType& type);

/// How an input is made up that no file is given for.
struct MadeUp {
  std::optional<runtime::Fill> fill; // nothing: normally distributed (bench/made_up.h)
  uint64_t seed = 0;                 // of that
};
/// Of --fill: "normal", "normal:SEED", or as runtime::parse_fill has it.
MadeUp parse_made_up(const std::string& text);

/// One tensor an input, in the program's order: from its file, else made up. Stops with every NAME
/// that the program does not have, every input that has no value, every file at fault.
std::vector<runtime::Tensor> read_inputs(const ir::Program& program,
                                         const std::vector<NamedFile>& files,
                                         const std::optional<MadeUp>& made_up);

/// Stops unless each file names an output of its own, can hold it, and can be written where it is.
void check_outputs(const ir::Program& program, const std::vector<NamedFile>& files);

/// Writes all of them or none.
void write_outputs(const std::vector<NamedFile>& files,
                   const std::map<std::string, runtime::TensorView>& outputs);

/// A line about values that a picture cannot hold, or nothing.
std::string words_about_clamping(const NamedFile& file, const runtime::TensorView& tensor);

} // namespace volute::tools
