// What a compilation tells back: what was computed from the shapes, what was chosen and why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// A schedule that `auto` considered.
struct Candidate {
  std::string schedule; // its text
  double cycles = 0;    // predicted by the model
  std::string bound;    // the term that decides: "FMA", "loads", "stores", ...
};

/// Vector registers that code keeps on the stack, in its innermost loops: instructions.
struct Spills {
  int64_t stores = 0, reloads = 0;
};

struct NestReport {
  std::string name;
  std::string origin;                 // the statements: "conv %0, relu %y"
  std::string schedule;               // its text, every default filled in
  std::vector<std::string> why;       // sentences
  std::vector<Candidate> candidates;  // best first, the chosen one among them; of `auto` only
  int64_t multiply_adds = 0;          // that the statement asks for, taps in the padding left out
  int64_t executed_multiply_adds = 0; // that the step executes: lanes and tiles beyond the edge too
  int64_t registers = 0;              // vector registers of the register tile
  int64_t registers_needed = 0;       // in the inner step: those, and operands beside them
  int64_t registers_available = 0;    // of the target
  std::optional<Spills> spills;       // found in the code, where it was at hand as a listing
  std::vector<size_t> statements;     // as ir::Nest::statements
  double cycles = 0;                  // predicted by the model, of this schedule, given or chosen
  bool is_of_weight = false; // made of a weight alone: not on every call, where that is bound
  std::string register_tile; // "14 x 2 of f32x16"
  std::string products;      // of narrow elements: how many at a time, by what
  std::string matrix_unit;   // its instruction that multiplies, "tdpbf16ps"; empty: vectors do
  int64_t code_bytes = 0;
  struct Packed {
    std::string operand;
    int64_t bytes = 0;
  };
  std::vector<Packed> packed; // operands, as the loops read them
  int64_t packed_bytes() const;
  int64_t work_items = 0;
};

/// A form that a statement might be computed in.
struct FormReport {
  std::string name;
  double cycles = 0;   // predicted; 0 where it was not scored
  double error = 0;    // in multiples of a direct sum's
  std::string refused; // why it was not a candidate; empty: it was
};

/// How the form of a statement was chosen.
struct StatementForms {
  std::string nest;              // the one that writes its result
  std::string chosen, why;       // why: empty where the fewest cycles decided
  std::vector<FormReport> forms; // of `auto` only
  std::string sentence;          // what the chosen one is
  double error = 0;              // of the chosen one
  std::string value;             // that the convolution makes
  int64_t reach = 0;             // Form's, of the chosen one
  bool keeps_whole_numbers = true;
  int64_t parts = 0; // Form's, of the chosen one
  /// Of a form in tiles or in parts, those of the direct sum that is asked for, taps in the padding
  /// left out.
  int64_t multiply_adds = 0;
};

/// Elements that a step moves and does not compute: a copy, a reorder, sums beside a convolution.
struct Copy {
  std::string of; // "x_padded"
  int64_t bytes = 0;
  std::string why;
};

/// What a pass took, and then the verifier of what it made.
struct PassTime {
  std::string pass;
  double ms = 0, verify_ms = 0;
  double total_ms() const { return ms + verify_ms; }
};

struct Report {
  std::string program, target;
  std::string llvm;          // version
  std::string schedule_note; // where the schedule comes from, where that is not plain
  int64_t parameters = 0;    // elements of operands without a batch: weights, biases, factors
  int64_t multiply_adds = 0;
  int64_t bytes = 0; // inputs and outputs, each once
  double intensity() const {
    return bytes ? 2.0 * static_cast<double>(multiply_adds) / static_cast<double>(bytes) : 0;
  }
  std::vector<std::string> sizes; // a line an axis: how a result's extent follows
  std::vector<NestReport> nests;
  std::vector<std::string> fusion;    // a sentence a statement: with what it runs, or why alone
  std::vector<std::string> bands;     // a sentence a pair of nests that could share a step
  std::vector<StatementForms> forms;  // of convolutions
  std::vector<std::string> operators; // how one is computed, where that is not plain
  std::vector<std::string> prepared;  // a sentence a step that does not run on every call
  std::vector<std::string> denormals; // a sentence a constant that holds some
  std::vector<Copy> copies;
  int64_t text_bytes = 0, constant_bytes = 0;
  int64_t workspace_bytes = 0;    // packed and intermediate buffers, sharing memory
  int64_t intermediate_bytes = 0; // what they would take side by side
  int64_t thread_scratch_bytes = 0;
  bool needs_tiles = false;     // a matrix unit, which a process must ask the system for
  std::vector<PassTime> passes; // in the order in which they ran
  double lower_ms = 0, emit_ms = 0, object_ms = 0, link_ms = 0;
  double cpu_ms = 0; // of the compiling thread; less than the total where it had to wait
  double total_ms() const { return lower_ms + emit_ms + object_ms + link_ms; }
};

std::string to_string(const Report& report);

/// 115,605,504: the digits in threes.
std::string grouped(int64_t number);

} // namespace volute::compiler
