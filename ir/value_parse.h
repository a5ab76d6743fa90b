// Values from text, as ir/value_text.h prints them. Private to *_parse.cpp.
#pragma once

#include "ir/lines.h"
#include "ir/value_text.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace volute::ir {

class ValueParser {
public:
  /// What the owner's names mean.
  struct Names {
    LineCursor::Variables variables;
    /// Reads an element, a register or an accumulator; the cursor stands at its name, or at `load`.
    std::function<Expr(LineCursor&)> leaf;
  };
  explicit ValueParser(Names names) : names_(std::move(names)) {}

  /// A value; null after a fault.
  Expr parse(LineCursor& line, const ValueContext& context);
  /// `let t1: i32 = ...`, for the values after it until the names are forgotten.
  void parse_let(LineCursor& line);
  void forget_lets() { lets_.clear(); }
  bool has_lets() const { return !lets_.empty(); }

private:
  // Types follow from what is read later (in 0 < x too), so a text becomes a tree first.
  struct Node {
    enum class Kind : uint8_t { leaf, number, position, typed, unary, binary, fma, select, dot };
    Kind kind = Kind::number;
    Location where;
    std::vector<size_t> operands = {};
    ValueContext told = {};
    Expr leaf = nullptr;
    std::string number = {};
    Affine position = {};
    UnaryFn unary = UnaryFn::neg;
    BinaryFn binary = BinaryFn::add;
    Compare compare = Compare::lt;
    int32_t ways = 0;
    int depth = 1;
    bool closed = true; // no operator of it could be taken for one of its neighbours'
  };

  size_t add(LineCursor& line, Node node);
  size_t select(LineCursor& line);
  size_t bits(LineCursor& line);
  size_t sum(LineCursor& line);
  size_t product(LineCursor& line);
  size_t prefix(LineCursor& line);
  size_t primary(LineCursor& line);
  size_t call(LineCursor& line, Node node, size_t operands);
  size_t parenthesised(LineCursor& line);
  size_t infix(LineCursor& line, Node::Kind kind, BinaryFn fn, Location where, size_t a, size_t b);
  const ValueContext& told(size_t node) const { return nodes_[node].told; }

  Expr build(LineCursor& line, size_t at, const ValueContext& given);
  Expr number(LineCursor& line, const Node& node, const ValueContext& known);

  Names names_;
  std::map<std::string, Expr> lets_;
  std::vector<Node> nodes_;
  int depth_ = 0; // parentheses around
};

/// `[0, 3*band + h, table0[w]]`, the cursor at the bracket: an access's subscripts, of an owner of
/// so many tables. `opening` says what is wanted where there is no bracket.
Index parse_subscripts(LineCursor& line, size_t tables, const LineCursor::Variables& variables,
                       const char* opening);

} // namespace volute::ir
