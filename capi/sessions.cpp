#include "ir/literals.h"
#include "runtime/inspect_text.h"
#include "runtime/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "capi/handles.h"

namespace {

using namespace volute;
using capi::OptionList;

const std::string* find(const OptionList& options, std::string_view name) {
  const auto at = std::find_if(options.rbegin(), options.rend(),
                               [&](const auto& option) { return option.first == name; });
  return at == options.rend() ? nullptr : &at->second;
}

constexpr std::string_view strides_prefix = "strides.";
constexpr std::string_view words_of_compile[] = {
    "schedule",        "target",          "accuracy",       "deterministic",
    "flush_denormals", "compile_seconds", "compile_memory", "strides.NAME"};

Expected<bool> switch_in(const std::string& name, const std::string& value) {
  if (value != "0" && value != "1") return fail(name, fmt::format("'{}' is not 0 or 1", value));
  return value == "1";
}

/// "4800, 10, 1"
Expected<TensorStrides> strides_in(const std::string& name, std::string_view text) {
  TensorStrides strides;
  const std::string all(text);
  for (;;) {
    const size_t comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    word = word.substr(0, word.find_last_not_of(' ') + 1);
    const std::optional<int64_t> number = ir::parse_integer(word);
    if (!number)
      return fail(name, fmt::format("{} is not a list of whole numbers", ir::quoted(all)),
                  "one for each extent, with commas between");
    strides.push_back(*number);
    if (comma == std::string_view::npos) return strides;
    text.remove_prefix(comma + 1);
  }
}

/// Refuses names that there are not.
Expected<bool> check_names(const OptionList& options) {
  for (const auto& [name, value] : options) {
    const bool is_known = name.starts_with(strides_prefix) ||
                          std::find(std::begin(words_of_compile), std::end(words_of_compile),
                                    name) != std::end(words_of_compile);
    if (!is_known)
      return fail(name, "there is no such option",
                  fmt::format("there are {}", fmt::join(words_of_compile, ", ")));
  }
  return true;
}

Expected<CompileOptions> compile_options(const volute_option* given) {
  const OptionList options = capi::options_in(given);
  if (const auto known = check_names(options); !known) return known.failure();
  CompileOptions compile;
  if (const std::string* text = find(options, "schedule")) compile.schedule = *text;
  if (const std::string* text = find(options, "deterministic")) {
    const Expected<bool> value = switch_in("deterministic", *text);
    if (!value) return value.failure();
    compile.deterministic = *value;
  }
  for (const auto& [name, value] : options) {
    if (!name.starts_with(strides_prefix)) continue;
    Expected<TensorStrides> strides = strides_in(name, value);
    if (!strides) return strides.failure();
    compile.strides[name.substr(strides_prefix.size())] = std::move(*strides);
  }
  // What a session has too is read as a session reads it.
  OptionList shared;
  for (const char* name :
       {"target", "accuracy", "flush_denormals", "compile_seconds", "compile_memory"})
    if (const std::string* text = find(options, name)) shared.emplace_back(name, *text);
  const Expected<runtime::Options> read = runtime::options_with(shared);
  if (!read) return read.failure();
  if (find(options, "target")) compile.target = read->target;
  if (find(options, "accuracy")) compile.accuracy = read->accuracy;
  if (find(options, "flush_denormals")) compile.flush_denormals = read->flush_denormals;
  if (find(options, "compile_seconds") || find(options, "compile_memory"))
    compile.budget = read->budget;
  return compile;
}

runtime::Options session_options(const volute_option* given) {
  return runtime::options_with(capi::options_in(given)).value();
}

/// What a schedule is refused for has a place in the schedule's text, which the diagnostic brings.
template <class T>
volute_status refused(volute_error** error, const Expected<T>& failed) {
  return capi::report(error, VOLUTE_REFUSED, failed.diagnostics());
}

/// A kernel of a program, by either way to make one.
template <class Make>
volute_status compiled(volute_session* session, const volute_program* program,
                       const volute_option* options, volute_kernel** kernel, volute_error** error,
                       const Make& make) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
    *kernel = nullptr;
    if (!session) return capi::refuse_argument(error, "session", "is NULL");
    if (!program) return capi::refuse_argument(error, "program", "is NULL");
    const Expected<CompileOptions> read = compile_options(options);
    if (!read) return refused(error, read);
    const auto made = make(session->session, program->program, *read);
    if (!made) return refused(error, made);
    *kernel = new volute_kernel(*made);
    return VOLUTE_OK;
  });
}

} // namespace

extern "C" {

volute_status volute_session_create(const volute_option* options, volute_session** session,
                                    volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!session) return capi::refuse_argument(error, "session", "is NULL");
    *session = nullptr;
    *session = new volute_session{Session(session_options(options))};
    return VOLUTE_OK;
  });
}

volute_status volute_session_create_on(const volute_option* options, int32_t threads,
                                       volute_parallel_for parallel_for, void* context,
                                       volute_session** session, volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!session) return capi::refuse_argument(error, "session", "is NULL");
    *session = nullptr;
    if (!parallel_for) return capi::refuse_argument(error, "parallel_for", "is NULL");
    if (find(capi::options_in(options), "threads"))
      return capi::refuse_argument(error, "threads", "is said twice: threads are the caller's");
    // A failure is an exception to the runtime, which is back in its own code when it is thrown.
    const auto run = [=](int64_t count, const std::function<void(int64_t)>& body) {
      const auto piece = [](void* of, int64_t index) {
        (*static_cast<const std::function<void(int64_t)>*>(of))(index);
      };
      if (parallel_for(context, count, piece, const_cast<std::function<void(int64_t)>*>(&body)))
        throw Error("the caller's parallel-for failed");
    };
    *session = new volute_session{
        Session(session_options(options), volute::Threads::on(threads, run).value())};
    return VOLUTE_OK;
  });
}

void volute_session_clear_cache(volute_session* session) noexcept {
  if (!session) return;
  try {
    session->session.clear_cache();
  } catch (...) { // no memory to make the list of what is let go: it is kept
  }
}

void volute_session_free(volute_session* session) noexcept { delete session; }

volute_status volute_compile(volute_session* session, const volute_program* program,
                             const volute_option* options, volute_kernel** kernel,
                             volute_error** error) noexcept {
  return compiled(session, program, options, kernel, error,
                  [](Session& in, const ir::Program& what, const CompileOptions& how) {
                    return in.try_compile(what, how);
                  });
}

volute_status volute_compile_tiered(volute_session* session, const volute_program* program,
                                    const volute_option* options, volute_kernel** kernel,
                                    volute_error** error) noexcept {
  return compiled(session, program, options, kernel, error,
                  [](Session& in, const ir::Program& what, const CompileOptions& how) {
                    return in.try_compile_tiered(what, how);
                  });
}

volute_status volute_compile_async(volute_session* session, const volute_program* program,
                                   const volute_option* options, volute_pending** pending,
                                   volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!pending) return capi::refuse_argument(error, "pending", "is NULL");
    *pending = nullptr;
    if (!session) return capi::refuse_argument(error, "session", "is NULL");
    if (!program) return capi::refuse_argument(error, "program", "is NULL");
    const Expected<CompileOptions> read = compile_options(options);
    if (!read) return refused(error, read);
    *pending = new volute_pending{session->session.compile_async(program->program, *read)};
    return VOLUTE_OK;
  });
}

bool volute_pending_wait(const volute_pending* pending, double seconds) noexcept {
  return !pending || pending->pending.wait_for(seconds);
}

volute_status volute_pending_kernel(const volute_pending* pending, volute_kernel** kernel,
                                    volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!kernel) return capi::refuse_argument(error, "kernel", "is NULL");
    *kernel = nullptr;
    if (!pending) return capi::refuse_argument(error, "pending", "is NULL");
    const Expected<Kernel> made = pending->pending.get();
    if (!made)
      return capi::report(error, capi::status_of_failed(made.diagnostics()), made.diagnostics());
    *kernel = new volute_kernel(*made);
    return VOLUTE_OK;
  });
}

void volute_pending_cancel(const volute_pending* pending) noexcept {
  if (pending) pending->pending.cancel();
}

void volute_pending_free(volute_pending* pending) noexcept { delete pending; }

volute_status volute_inspect(const volute_session* session, const volute_program* program,
                             const volute_option* options, const char* stage, char** text,
                             volute_error** error) noexcept {
  return capi::guarded(error, [&]() -> volute_status {
    if (!text) return capi::refuse_argument(error, "text", "is NULL");
    *text = nullptr;
    if (!session) return capi::refuse_argument(error, "session", "is NULL");
    if (!program) return capi::refuse_argument(error, "program", "is NULL");
    if (!stage) return capi::refuse_argument(error, "stage", "is NULL");
    const Expected<CompileOptions> read = compile_options(options);
    if (!read) return refused(error, read);
    const Expected<std::string> made =
        runtime::inspect_text(session->session, program->program, stage, *read);
    if (!made) return refused(error, made);
    *text = capi::string_for_caller(*made);
    return *text ? VOLUTE_OK : capi::report(error, Status(StatusCode::out_of_memory));
  });
}

} // extern "C"
