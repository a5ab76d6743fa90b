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
  int line = 0;   // from 1; 0: none
  int column = 0; // in bytes, from 1
  /// Places do not make programs differ.
  bool operator==(const Location&) const { return true; }
};

/// A text that has a name of its own: a schedule, beside the program that it is for.
struct NamedText {
  std::string name; // what messages call it
  std::string text; // all of it
};

/// One refusal: where, which operator or directive, the rule with its numbers, a way out.
struct Diagnostic {
  Location where;      // in the text that was parsed
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
  /// Of several refusals, or of a sentence that has no place.
  explicit Error(std::vector<Diagnostic> diagnostics);
  explicit Error(std::string message) : Error({Diagnostic{{}, "", std::move(message), ""}}) {}
  /// Every diagnostic, one a line.
  const char* what() const noexcept override { return text_.c_str(); }
  /// Each by itself.
  const std::vector<Diagnostic>& diagnostics() const noexcept { return diagnostics_; }

private:
  std::vector<Diagnostic> diagnostics_;
  std::string text_;
};

/// A bug of ours, found by a verifier or an impossible case: names the pass and the place.
class InternalError : public Error {
public:
  /// As an Error is made.
  using Error::Error;
};

/// The failing half of an Expected: `return fail("schedule", "...", "...");`
struct Failure {
  std::vector<Diagnostic> diagnostics; // one or more
};

/// A failure of one reason: a diagnostic, or one without a place.
inline Failure fail(Diagnostic diagnostic) { return {{std::move(diagnostic)}}; }
inline Failure fail(std::string subject, std::string message, std::string hint = "") {
  return fail(Diagnostic{{}, std::move(subject), std::move(message), std::move(hint)});
}

/// A result, or the reasons why there is none.
template <class T>
class Expected {
public:
  /// Either half: return what is there.
  Expected(T value) : state_(std::move(value)) {}
  Expected(Failure failure) : state_(std::move(failure)) {}

  /// Whether there is a value.
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

  /// Why there is no value; only where there is none.
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
