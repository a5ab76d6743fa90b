#include "bench/entrant.h"

#include "compiler/compile.h"
#include "runtime/kernel.h"

namespace volute::bench {
namespace {

bool is_weight(const ir::TensorType& type) { return !type.has(ir::Axis::n); }

std::string reason_of(const std::vector<Diagnostic>& faults) {
  std::string text;
  for (const Diagnostic& fault : faults) text += (text.empty() ? "" : "; ") + to_string(fault);
  return text;
}

} // namespace

Expected<Data> allocate(const ir::Program& program) {
  Data data;
  const auto add = [&](const std::vector<ir::ValueId>& ids,
                       std::vector<runtime::Tensor>& to) -> std::optional<Failure> {
    for (const ir::ValueId id : ids) {
      Expected<runtime::Tensor> tensor = runtime::Tensor::allocate(program.type(id));
      if (!tensor) return tensor.failure();
      to.push_back(std::move(*tensor));
    }
    return std::nullopt;
  };
  if (auto fault = add(program.inputs, data.inputs)) return *fault;
  if (auto fault = add(program.outputs, data.outputs)) return *fault;
  const auto name = [&](const std::vector<ir::ValueId>& ids,
                        std::vector<runtime::Tensor>& tensors) {
    for (size_t i = 0; i < ids.size(); ++i)
      data.by_name[program.name_of(ids[i])] = {tensors[i].data(),
                                               static_cast<size_t>(tensors[i].bytes())};
  };
  name(program.inputs, data.inputs);
  name(program.outputs, data.outputs);
  return data;
}

Expected<Compiled> compile(std::string name, const ir::Program& program,
                           const runtime::Session& session,
                           const runtime::CompileOptions& options) {
  const Expected<compiler::CompileRequest> request = session.request(program, options);
  if (!request) return request.failure();
  const double start = steady_seconds();
  Expected<compiler::Compiled> compiled = session.inspect(program, *request);
  if (!compiled) return compiled.failure();
  const double made = steady_seconds();
  Expected<runtime::Kernel> kernel = session.load(compiled->image);
  if (!kernel) return kernel.failure();
  Preparation preparation;
  preparation.compile = made - start;
  preparation.load = steady_seconds() - made;
  return Compiled{std::move(name), std::move(*kernel), std::move(compiled->report), preparation};
}

Algorithms algorithms_of(const compiler::Report& report) {
  Algorithms algorithms;
  for (const compiler::StatementForms& statement : report.forms)
    if (statement.reach > 0 || statement.parts > 0)
      algorithms[statement.value] = {statement.error, statement.reach,
                                     statement.keeps_whole_numbers, statement.parts > 0};
  return algorithms;
}

Expected<Entrant> enter(const Compiled& compiled, const ir::Program& program, Data& data) {
  Entrant entrant;
  entrant.algorithms = algorithms_of(compiled.report);
  entrant.name = compiled.name;
  entrant.is_volute = true;
  entrant.preparation = compiled.preparation;
  runtime::Kernel kernel = compiled.kernel;
  std::vector<runtime::TensorRef> arguments;
  const double start = steady_seconds();
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    if (!is_weight(data.inputs[i].type())) {
      arguments.emplace_back(std::as_const(data.inputs[i]));
      continue;
    }
    Expected<runtime::Kernel> bound =
        kernel.try_bind(program.name_of(program.inputs[i]), data.inputs[i]);
    if (!bound) return bound.failure();
    kernel = std::move(*bound);
  }
  entrant.preparation.bind = steady_seconds() - start;
  for (runtime::Tensor& output : data.outputs) arguments.emplace_back(output);
  for (const compiler::NestReport& nest : compiled.report.nests)
    entrant.executed_multiply_adds += static_cast<double>(nest.executed_multiply_adds);
  entrant.ways.push_back({"", [kernel, arguments] { return kernel.call(arguments); }});
  if (!kernel.values_on_the_way().empty())
    entrant.ways.back().call_keeping = [kernel, arguments](std::vector<runtime::KeptValue>& kept) {
      return kernel.call_keeping(arguments, kept);
    };
  return entrant;
}

Entrant enter(std::string name, const Peer& peer, const ir::Program& program, const Data& data,
              int threads) {
  Entrant entrant;
  entrant.name = std::move(name);
  const double start = steady_seconds();
  Expected<Ways> ways = peer.ways(program, data.by_name, threads);
  entrant.preparation.bind = steady_seconds() - start;
  if (!ways) {
    entrant.refused = reason_of(ways.diagnostics());
    return entrant;
  }
  for (std::unique_ptr<PreparedPeer>& way : *ways) {
    std::string how = way->how();
    const std::shared_ptr<PreparedPeer> shared = std::move(way);
    entrant.ways.push_back({std::move(how),
                            [shared] {
                              shared->run();
                              return Status();
                            },
                            [shared] { shared->deliver(); }});
  }
  return entrant;
}

} // namespace volute::bench
