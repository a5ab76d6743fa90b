// Who takes part in a benchmark of one program: each computes it on the same memory.
#pragma once

#include "bench/error_bound.h"
#include "bench/measure.h"
#include "bench/peer.h"
#include "compiler/report/report.h"
#include "ir/program.h"
#include "runtime/session.h"
#include "runtime/tensor.h"

#include <functional>
#include <string>
#include <vector>

namespace volute::bench {

/// The tensors that everybody works on.
struct Data {
  std::vector<runtime::Tensor> inputs, outputs; // in the program's order
  Tensors by_name;
};
Expected<Data> allocate(const ir::Program& program);

/// Seconds that are spent once, apart from the calls that are measured.
struct Preparation {
  double compile = 0;    // of Volute, from the program to an image
  double load = 0;       // of Volute, from an image to a kernel, as from a cache
  double bind = 0;       // weights: packed
  double first_call = 0; // the caches cold, page tables and branch predictors too
};

/// One way in which one contender computes the program.
struct Way {
  std::string how; // in the words of the library
  std::function<Status()> call;
  std::function<void()> deliver = [] {}; // the results, to the shared memory; not timed
  /// Of a kernel that stores values on the way: the same call, and those.
  std::function<Status(std::vector<runtime::KeptValue>&)> call_keeping = nullptr;
};

struct Entrant {
  std::string name;      // "volute", "naive", "cpp", "onednn", ...
  std::string refused;   // why it takes no part
  std::vector<Way> ways; // of Volute one
  Preparation preparation;
  double executed_multiply_adds = 0;
  Algorithms algorithms;  // that are no direct sums
  bool is_volute = false; // by any schedule: what it computes is ours to answer for
};

/// A kernel that is compiled once, to be bound to each set of data.
struct Compiled {
  std::string name;
  runtime::Kernel kernel;
  compiler::Report report;
  Preparation preparation;
};
Expected<Compiled> compile(std::string name, const ir::Program& program,
                           const runtime::Session& session, const runtime::CompileOptions& options);

/// What compilation tells of forms, as what is checked by it.
Algorithms algorithms_of(const compiler::Report& report);

/// Binds weights to what the data hold now. Weights and per-channel vectors, inputs without a
/// batch, are constant from call to call.
Expected<Entrant> enter(const Compiled& compiled, const ir::Program& program, Data& data);
/// Lets a peer prepare itself from what the data hold now; its refusal is the entrant's.
Entrant enter(std::string name, const Peer& peer, const ir::Program& program, const Data& data,
              int threads);

} // namespace volute::bench
