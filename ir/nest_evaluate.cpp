#include "ir/access.h"
#include "ir/diagnostic.h"
#include "ir/nest.h"
#include "ir/number.h"
#include "ir/tape.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

namespace volute::ir {

Memory allocate(const std::vector<Buffer>& buffers, const std::vector<int64_t>& parameters) {
  std::vector<Buffer> sized = buffers;
  for (Buffer& buffer : sized) buffer.elements = elements_of(buffer, parameters);
  return allocate(sized);
}

Memory allocate(const std::vector<Buffer>& buffers) {
  Memory memory;
  for (const Buffer& buffer : buffers) {
    int64_t bytes = 0;
    if (buffer.elements < 0 ||
        __builtin_mul_overflow(buffer.elements, size_of(buffer.element), &bytes))
      throw Error({Diagnostic{{},
                              buffer.name,
                              fmt::format("{} elements of {} cannot be allocated", buffer.elements,
                                          to_string(buffer.element)),
                              ""}});
    if (buffer.data)
      memory.emplace_back(*buffer.data).resize(static_cast<size_t>(bytes));
    else
      memory.emplace_back(static_cast<size_t>(bytes));
  }
  return memory;
}

namespace {

class NestEvaluator {
public:
  NestEvaluator(const Nest& nest, const NestProgram& program, Memory& memory,
                const std::vector<int64_t>& parameters)
      : values_(initial_values(nest.vars, nest.parameters, program.parameters, parameters)),
        context_{nest.operands, nest.tables, values_, memory}, name_(nest.name),
        accumulators_(nest.accumulators.size()), next_(nest.accumulators.size()) {
    for (const NestAxis& axis : nest.axes)
      (axis.reduction ? reduction_ : parallel_)
          .push_back({variable(axis.var), linear(axis.extent)(values_)});
    for (const Constraint& constraint : nest.constraints)
      constraints_.push_back({linear(constraint.value), linear(constraint.extent)(values_)});
    for (const Constraint& constraint : nest.domain)
      domain_.push_back({linear(constraint.value), linear(constraint.extent)(values_)});
    for (const Accumulator& accumulator : nest.accumulators) {
      initial_.push_back(tape(accumulator.initial));
      update_.push_back(tape(accumulator.update));
    }
    for (const Write& write : nest.writes) {
      writes_.push_back({Access(context_, write.operand, write.index), tape(write.value),
                         write.offset ? std::optional(tape(write.offset)) : std::nullopt,
                         write.extent});
      written_.emplace_back();
    }
  }

  void run() {
    for_each_point(parallel_, 0, [this] { run_point(); });
  }

private:
  struct Counter {
    size_t var;
    int64_t extent;
  };
  struct Inside {
    Linear value;
    int64_t extent;
  };
  struct Output {
    Access to;
    Tape value;
    std::optional<Tape> offset; // of scattered ones
    int64_t extent;
  };

  Linear linear(const Affine& affine) const { return Linear(affine, values_.size()); }

  size_t variable(Var var) const {
    linear(var); // refuses a variable that does not exist
    return static_cast<size_t>(var.id);
  }

  Tape tape(const Expr& expr) {
    return Tape(expr, [this](const ExprNode& node) { return leaf(node); });
  }

  Tape::Leaf leaf(const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is))
      return [access = Access(context_, read->operand, read->index)](Scalar* to) mutable {
        access.locate();
        *to = access.read();
      };
    if (const auto* acc = std::get_if<Acc>(&node.is)) {
      const auto id = static_cast<size_t>(acc->accumulator);
      if (acc->accumulator < 0 || id >= accumulators_.size())
        throw InternalError(fmt::format("evaluate: accumulator {} of {} does not exist",
                                        acc->accumulator, accumulators_.size()));
      return [this, id](Scalar* to) { *to = accumulators_[id]; };
    }
    if (const auto* position = std::get_if<Position>(&node.is))
      return [this, type = node.type, at = linear(position->value)](Scalar* to) {
        *to = {0, wrap_to(type, at(values_))};
      };
    throw InternalError(
        "evaluate: a nest reads operands and accumulators, not views and registers");
  }

  template <class Visit>
  void for_each_point(const std::vector<Counter>& counters, size_t depth, const Visit& visit) {
    if (depth == counters.size()) return visit();
    int64_t& value = values_[counters[depth].var];
    for (value = 0; value < counters[depth].extent; ++value)
      for_each_point(counters, depth + 1, visit);
    value = 0;
  }

  bool satisfies(const std::vector<Inside>& constraints) const {
    return std::all_of(constraints.begin(), constraints.end(), [&](const Inside& inside) {
      const int64_t value = inside.value(values_);
      return 0 <= value && value < inside.extent;
    });
  }

  void run_point() {
    if (!satisfies(domain_)) return;
    for (size_t i = 0; i < initial_.size(); ++i) accumulators_[i] = *initial_[i].run();
    if (!initial_.empty()) {
      for_each_point(reduction_, 0, [this] {
        if (!satisfies(constraints_)) return;
        for (size_t i = 0; i < update_.size(); ++i) next_[i] = *update_[i].run();
        accumulators_.swap(next_);
      });
    }
    // All values first: a write may replace an element that another one reads.
    for (size_t i = 0; i < writes_.size(); ++i) written_[i] = *writes_[i].value.run();
    for (size_t i = 0; i < writes_.size(); ++i) {
      writes_[i].to.locate();
      if (writes_[i].offset)
        writes_[i].to.scatter(written_[i], writes_[i].offset->run()->integer, writes_[i].extent,
                              name_);
      else
        writes_[i].to.write(written_[i]);
    }
  }

  std::vector<int64_t> values_; // of the variables, by Var::id
  AccessContext context_;
  std::vector<Counter> parallel_, reduction_;
  std::vector<Inside> constraints_, domain_;
  std::string name_;
  std::vector<Tape> initial_, update_;
  std::vector<Output> writes_;
  std::vector<Scalar> accumulators_, next_, written_;
};

} // namespace

void evaluate(const NestProgram& program, Memory& memory, const std::vector<int64_t>& parameters) {
  for (const Nest& nest : program.nests) NestEvaluator(nest, program, memory, parameters).run();
}

} // namespace volute::ir
