// The form of nests and loops that their texts stand for.
//
// Two programs that print alike are one in this form: variables are numbered in the order in which
// the text declares them, names that could be taken for each other are told apart, views that show
// the same are one, equal values of a statement are one node, numbers are those of their type. The
// compiler brings what it makes into this form, so that a text goes on to exactly the same code as
// the program it was printed from: parse(to_string(x)) is x.
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"

#include <unordered_map>

namespace volute::ir {

NestProgram normal_form(NestProgram program);
LoopProgram normal_form(LoopProgram program);

/// Makes equal expressions one node, and numbers those of their types.
class Interner {
public:
  Expr operator()(const Expr& expr);

private:
  std::unordered_multimap<size_t, Expr> known_; // by hash
  std::unordered_map<const ExprNode*, std::pair<Expr, Expr>> done_;
};

} // namespace volute::ir
