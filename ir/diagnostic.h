// What a refusal looks like, and how a function returns one.
//
// Expected failures are values here: a pass or a parser returns Expected<T>, which holds either the
// result or the diagnostics that explain why there is none. Dereferencing a failed Expected throws
// volute::Error, the one exception type of the library; nothing else does on bad input.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace volute {

/// A place in a text, 1-based; line 0 means the thing was built, not parsed.
struct Location {
  int line = 0;
  int column = 0;
  bool operator==(const Location&) const { return true; } // places do not make programs differ
};

/// A text that has a name of its own: a schedule, beside the program that it is for.
struct NamedText {
  std::string name, text;
};

/// One refusal: where, which operator or directive, the rule with its numbers, a way out.
struct Diagnostic {
  Location where;
  std::string subject; // "conv", "schedule", "%x"; may be empty
  std::string message; // "groups = 2 does not divide the input's 63 channels"
  std::string hint;    // "the nearest valid value is 3"; may be empty
  std::shared_ptr<const NamedText> in = nullptr; // which text `where` is a place in; null: the one
                                                 // that was given
};

/// "conv: groups = 2 does not divide the input's 63 channels (the nearest valid value is 3)"
std::string to_string(const Diagnostic& diagnostic);

/// The full form for people: `file:4:31: error: ...`, the source line, a caret under the column.
/// `source` is the text that was parsed (may be empty: then no line and caret).
std::string render(const std::vector<Diagnostic>& diagnostics, std::string_view file,
                   std::string_view source);

/// The library's one exception: what() is every diagnostic, one a line.
class Error : public std::exception {
public:
  explicit Error(std::vector<Diagnostic> diagnostics);
  explicit Error(std::string message) : Error({Diagnostic{{}, "", std::move(message), ""}}) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::vector<Diagnostic>& diagnostics() const noexcept { return diagnostics_; }

private:
  std::vector<Diagnostic> diagnostics_;
  std::string text_;
};

/// A bug of ours, found by a verifier or an impossible case: names the pass and the place.
class InternalError : public Error {
public:
  using Error::Error;
};

/// The failing half of an Expected: `return fail("schedule", "...", "...");`
struct Failure {
  std::vector<Diagnostic> diagnostics;
};

inline Failure fail(Diagnostic diagnostic) { return {{std::move(diagnostic)}}; }
inline Failure fail(std::string subject, std::string message, std::string hint = "") {
  return fail(Diagnostic{{}, std::move(subject), std::move(message), std::move(hint)});
}

template <class T>
class Expected {
public:
  Expected(T value) : state_(std::move(value)) {}
  Expected(Failure failure) : state_(std::move(failure)) {}

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  bool has_value() const { return static_cast<bool>(*this); }

  /// The value; throws Error with the diagnostics when there is none.
  T& value() & { return require(), std::get<T>(state_); }
  const T& value() const& { return require(), std::get<T>(state_); }
  T value() && { return require(), std::get<T>(std::move(state_)); } // no reference to a temporary
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const std::vector<Diagnostic>& diagnostics() const {
    return std::get<Failure>(state_).diagnostics;
  }
  /// The failure, to return from a caller that has nothing to add.
  Failure failure() const { return std::get<Failure>(state_); }

private:
  void require() const {
    if (!*this) throw Error(diagnostics());
  }
  std::variant<T, Failure> state_;
};

} // namespace volute
