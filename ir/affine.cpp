#include "ir/affine.h"

#include "ir/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::ir {

void Affine::refuse_number() const {
  std::vector<std::string> names;
  for (const Term& term : terms_) {
    names.resize(std::max(names.size(), static_cast<size_t>(term.var.id) + 1));
    names[static_cast<size_t>(term.var.id)] = fmt::format("v{}", term.var.id);
  }
  throw InternalError(fmt::format("{} is taken for a number", to_string(*this, names)));
}

int64_t Affine::coefficient(Var var) const {
  for (const Term& term : terms_)
    if (term.var == var) return term.coefficient;
  return 0;
}

Affine& Affine::add(const Affine& other, int64_t times) {
  if (times == 0) return *this;
  constant_ += other.constant_ * times;
  if (other.terms_.empty()) return *this;
  Terms merged;
  const Term* a = terms_.begin();
  const Term* b = other.terms_.begin();
  while (a != terms_.end() || b != other.terms_.end()) {
    if (b == other.terms_.end() || (a != terms_.end() && a->var < b->var)) {
      merged.push_back(*a++);
    } else if (a == terms_.end() || b->var < a->var) {
      merged.push_back({b->var, b->coefficient * times});
      ++b;
    } else {
      const int64_t sum = a->coefficient + b->coefficient * times;
      if (sum != 0) merged.push_back({a->var, sum});
      ++a, ++b;
    }
  }
  terms_ = std::move(merged);
  return *this;
}

Affine& Affine::operator*=(int64_t factor) {
  constant_ *= factor;
  if (factor == 0) terms_.clear();
  for (Term& term : terms_) term.coefficient *= factor;
  return *this;
}

Affine Affine::substitute(Var var, const Affine& value) const {
  const int64_t factor = coefficient(var);
  if (factor == 0) return *this;
  Affine result = *this;
  return result.add(var, -factor).add(value, factor);
}

Affine Affine::filter(const std::function<bool(Var)>& keep, bool keep_constant) const {
  Affine kept(keep_constant ? constant_ : 0);
  for (const Term& term : terms_)
    if (keep(term.var)) kept.terms_.push_back(term);
  return kept;
}

int64_t Affine::evaluate(const std::function<int64_t(Var)>& value_of) const {
  int64_t sum = constant_;
  for (const Term& term : terms_) sum += term.coefficient * value_of(term.var);
  return sum;
}

std::string to_string(const Affine& affine, const std::vector<std::string>& names) {
  std::string text;
  for (const Affine::Term& term : affine.terms()) {
    const bool negative = term.coefficient < 0;
    if (text.empty())
      text += negative ? "-" : "";
    else
      text += negative ? " - " : " + ";
    const int64_t magnitude = negative ? -term.coefficient : term.coefficient;
    if (magnitude != 1) text += fmt::format("{}*", magnitude);
    text += names.at(static_cast<size_t>(term.var.id));
  }
  const int64_t constant = affine.constant_term();
  if (text.empty()) return fmt::format("{}", constant);
  if (constant > 0) text += fmt::format(" + {}", constant);
  if (constant < 0) text += fmt::format(" - {}", -constant);
  return text;
}

} // namespace volute::ir
