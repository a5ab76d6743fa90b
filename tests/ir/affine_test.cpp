#include "ir/affine.h"
#include "ir/diagnostic.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <random>

using namespace volute::ir;

namespace {

constexpr int variables = 4;

Affine random_affine(std::mt19937& random) {
  const auto number = [&] { return static_cast<int64_t>(random() % 7) - 3; };
  Affine affine = number();
  for (int32_t id = 0; id < variables; ++id) affine += Affine(Var{id}) * number();
  return affine;
}

void require_normal_form(const Affine& affine) {
  const auto& terms = affine.terms();
  for (const Affine::Term& term : terms) REQUIRE(term.coefficient != 0);
  REQUIRE(std::is_sorted(terms.begin(), terms.end(),
                         [](const auto& a, const auto& b) { return a.var < b.var; }));
}

} // namespace

TEST_CASE("affine arithmetic agrees with arithmetic on the values and keeps the normal form") {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    const Affine a = random_affine(random), b = random_affine(random);
    const int64_t factor = static_cast<int64_t>(random() % 5) - 2;
    const Var replaced{static_cast<int32_t>(random() % variables)};
    int64_t values[variables];
    for (int64_t& value : values) value = static_cast<int64_t>(random() % 100) - 50;
    const auto value_of = [&](Var var) { return values[var.id]; };
    const auto at = [&](const Affine& affine) {
      require_normal_form(affine);
      return affine.evaluate(value_of);
    };

    CHECK(at(a + b) == at(a) + at(b));
    CHECK(at(a - b) == at(a) - at(b));
    CHECK(at(a * factor) == at(a) * factor);
    CHECK(a - a == Affine(0));
    CHECK(a + b == b + a);
    const Affine replacement = b.filter([&](Var var) { return var != replaced; }, true);
    const int64_t expected =
        a.evaluate([&](Var var) { return var == replaced ? at(replacement) : values[var.id]; });
    CHECK(at(a.substitute(replaced, replacement)) == expected);
    CHECK_FALSE(a.substitute(replaced, replacement).depends_on(replaced));
    const auto is_even = [](Var var) { return var.id % 2 == 0; };
    const auto is_odd = [](Var var) { return var.id % 2 == 1; };
    CHECK(a.filter(is_even, true) + a.filter(is_odd, false) == a);
  }
}

TEST_CASE("an expression with a parameter has a constant term and is no number") {
  const Var size{1};
  const Affine gap = 2 * Affine(size) - 3;
  CHECK(gap.constant_term() == -3);
  CHECK_FALSE(gap.is_constant());
  CHECK_THROWS_AS(gap.number(), volute::InternalError);
  CHECK_THROWS_WITH(gap.number(), "2*v1 - 3 is taken for a number");
  CHECK((gap - 2 * Affine(size)).number() == -3);
  CHECK(gap.substitute(size, 5).number() == 7);
  CHECK(Affine(4).number() == Affine(4).constant_term());
}

TEST_CASE("an affine expression prints its terms in the order of the variables") {
  const Var h{0}, kh{1};
  const std::vector<std::string> names = {"h", "kh"};
  CHECK(to_string(2 * Affine(h) + kh - 3, names) == "2*h + kh - 3");
  CHECK(to_string(Affine(kh) * -1 + 4, names) == "-kh + 4");
  CHECK(to_string(Affine(kh) - 2 * Affine(h), names) == "-2*h + kh");
  CHECK(to_string(Affine(h) - h, names) == "0");
  CHECK(to_string(Affine(-7), names) == "-7");
}

TEST_CASE("a quotient is rounded up for numerators of both signs") {
  for (int64_t numerator = -20; numerator <= 20; ++numerator)
    for (int64_t divisor = 1; divisor <= 5; ++divisor) {
      const int64_t quotient = ceil_div(numerator, divisor);
      CHECK(quotient * divisor >= numerator);
      CHECK((quotient - 1) * divisor < numerator);
    }
}
