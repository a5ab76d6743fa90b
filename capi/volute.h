/** \file
 * Volute from C: programs in, kernels out.
 *
 *     #include <volute/volute.h>
 *
 *     volute_session *session = NULL;
 *     volute_program *program = NULL;
 *     volute_kernel *kernel = NULL, *bound = NULL;
 *     volute_error *error = NULL;
 *
 *     if (volute_session_create(NULL, &session, &error) ||
 *         volute_program_parse(text, NULL, NULL, &program, &error) ||
 *         volute_compile(session, program, NULL, &kernel, &error) ||
 *         volute_kernel_bind(kernel, "w", &w, &bound, &error)) {
 *       fprintf(stderr, "%s\n", volute_error_message(error));
 *       volute_error_free(error);
 *       return 1;
 *     }
 *     const volute_tensor arguments[] = {x, y};
 *     volute_status status = volute_kernel_call(bound, arguments, 2, NULL);
 *
 * In C++ this header also brings the C++ interface, <volute/volute.hpp>, unless VOLUTE_C_ONLY is
 * defined before it.
 *
 * Handles.    Sessions, programs, kernels (pending ones too) and errors are made by functions that
 *             write them through a pointer, and end with their *_free, which takes NULL too. Each
 *             stands by itself: a kernel outlives the session and the program that it was compiled
 *             by and from, and a bound kernel the one that it was bound from. Where a function
 *             fails, the handle that it would have made is NULL.
 *
 * Memory.     Tensors are the caller's: a volute_tensor refers to memory and is copied nowhere.
 *             What it refers to need not outlive the call that it was given to; what is bound is
 *             copied. Strings that a function gives are either a handle's, and live as long as it
 *             does (const char *), or the caller's (char *), to be ended with volute_string_free.
 *
 * Errors.     A function that can fail returns a status, 0 (VOLUTE_OK) for success, and takes as
 *             its last argument where to put the words: a volute_error with place, rule and
 *             numbers, which is the caller's to free. NULL is allowed, and success writes NULL. A
 *             NULL that is not allowed is refused with VOLUTE_INVALID_ARGUMENT, as is what does
 *             not fit. Nothing throws, nothing aborts, nothing sets errno to be looked at.
 *
 * Threads.    Every function may be called from any number of threads, on the same handles, at the
 *             same time, but for *_free, after which nobody may use the handle. Kernels and
 *             programs never change, but that a tiered kernel has its code later. Several threads
 *             that want one configuration compile it once.
 *             The library starts no thread unless an option, volute_compile_async or
 *             volute_compile_tiered asks for one.
 *
 * State.      None is global but what was read of the environment (once, at the first session) and
 *             what CPUID said. Kernels that were compiled are kept by their session, up to the
 *             bytes of its option "memory_cache".
 *
 * Stability.  Functions, constants and structs of this header stay as they are within a major
 *             version: they may grow by new functions and constants. Symbols carry the version
 *             VOLUTE_1. The C++ interface has no such promise. */
#ifndef VOLUTE_VOLUTE_H
#define VOLUTE_VOLUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Version of this header, as volute_version() tells that of the library: the first number. */
#define VOLUTE_VERSION_MAJOR 0
/** The second number. */
#define VOLUTE_VERSION_MINOR 1
/** The third number. */
#define VOLUTE_VERSION_PATCH 0

/** What every function here is declared with: it is one of the library's. */
#if defined(__GNUC__)
#define VOLUTE_API __attribute__((visibility("default")))
#else
#define VOLUTE_API
#endif

/** That nothing is thrown, said to C++. */
#ifdef __cplusplus
#define VOLUTE_NOEXCEPT noexcept
extern "C" {
#else
#define VOLUTE_NOEXCEPT
#endif

/* ---- statuses and errors --------------------------------------------------------------------- */

/** How a call ended: VOLUTE_OK, which is 0, or why not. Later versions may add to them. */
typedef int32_t volute_status;

enum {
  VOLUTE_OK = 0,
  /** The data hold an index outside its range (max_unpool). */
  VOLUTE_INDEX_OUT_OF_RANGE = 1,
  /** A NULL, a name that there is not, or a tensor of another type, alignment or overlap. */
  VOLUTE_INVALID_ARGUMENT = 2,
  /** The system has not got the memory. */
  VOLUTE_OUT_OF_MEMORY = 3,
  /** A file could not be opened or read. */
  VOLUTE_FILE_FAILED = 4,
  /** The caller's parallel-for failed or left pieces out, or there were no threads to be had. */
  VOLUTE_POOL_FAILED = 5,
  /** A step of the kernel failed in a way that this version does not know. */
  VOLUTE_STEP_FAILED = 6,
  /** A program, a schedule, a target or an option is refused; the error says where and why. */
  VOLUTE_REFUSED = 7,
  /** A bug of this library: please report the error's words. */
  VOLUTE_INTERNAL_ERROR = 8,
  /** volute_pending_cancel or volute_kernel_cancel came before the kernel was there. */
  VOLUTE_CANCELLED = 9
};

/** What went wrong, in words. Never changes; may be read from any thread. */
typedef struct volute_error volute_error;

/** One of the things that are wrong. The strings are the error's, never NULL. */
typedef struct volute_diagnostic {
  /** Line in the text that was parsed, from 1; 0 where there is no place. */
  int32_t line;
  /** Column there, in bytes, from 1. */
  int32_t column;
  /** What is at fault: an operator, "%x", "schedule", an option; may be "". */
  const char* subject;
  /** The rule with its numbers: "groups = 2 does not divide the input's 63 channels". */
  const char* message;
  /** A way out, as the nearest valid value; may be "". */
  const char* hint;
} volute_diagnostic;

/** The status that came with it; VOLUTE_OK for NULL. */
VOLUTE_API volute_status volute_error_status(const volute_error* error) VOLUTE_NOEXCEPT;
/** Everything that is wrong, a line each: "4:31: conv: groups = 2 does not divide the input's 63
 *  channels". "" for NULL. The string is the error's. */
VOLUTE_API const char* volute_error_message(const volute_error* error) VOLUTE_NOEXCEPT;
/** The same for people, as the command line prints it: each with the file's name, the line of the
 *  text that was parsed, and a caret under the place. The name is what was given to
 *  volute_program_parse as `name`. The string is the error's. */
VOLUTE_API const char* volute_error_render(const volute_error* error) VOLUTE_NOEXCEPT;
/** How many things are wrong; 0 for NULL. */
VOLUTE_API size_t volute_error_count(const volute_error* error) VOLUTE_NOEXCEPT;
/** One of them, 0 <= index < count, is written to `diagnostic`; false when there is no such one. */
VOLUTE_API bool volute_error_at(const volute_error* error, size_t index,
                                volute_diagnostic* diagnostic) VOLUTE_NOEXCEPT;
/** Ends it; NULL is allowed. */
VOLUTE_API void volute_error_free(volute_error* error) VOLUTE_NOEXCEPT;

/** Ends a string (char *) that a function here gave; NULL is allowed. */
VOLUTE_API void volute_string_free(char* string) VOLUTE_NOEXCEPT;

/** Version of the library: "0.1.0". */
VOLUTE_API const char* volute_version(void) VOLUTE_NOEXCEPT;

/* ---- tensors --------------------------------------------------------------------------------- */

/** Element types. f16 and bf16 are 16-bit patterns, in the machine's byte order. */
typedef uint8_t volute_element;

enum {
  VOLUTE_F32 = 0,
  VOLUTE_F64 = 1,
  VOLUTE_F16 = 2,
  VOLUTE_BF16 = 3,
  VOLUTE_I8 = 4,
  VOLUTE_U8 = 5,
  VOLUTE_I32 = 6,
  VOLUTE_I64 = 7
};

/** Axes: n batch; c channels of an activation; d, h, w space; o and i output and input channels of
 *  a weight. */
typedef uint8_t volute_axis;

enum {
  VOLUTE_N = 0,
  VOLUTE_C = 1,
  VOLUTE_D = 2,
  VOLUTE_H = 3,
  VOLUTE_W = 4,
  VOLUTE_O = 5,
  VOLUTE_I = 6
};

/** One extent in memory: `h=56` is {VOLUTE_H, 56}. */
typedef struct volute_extent {
  /** Which axis, or part of one that is split. */
  volute_axis axis;
  /** How many positions it has. */
  int64_t size;
} volute_extent;

/** A tensor as plain data: what every call takes.
 *
 *      const volute_extent nhwc[] = {{VOLUTE_N, 1}, {VOLUTE_H, 480}, {VOLUTE_W, 640}, {VOLUTE_C,
 * 3}}; const volute_tensor x = {pixels, nhwc, NULL, 4, VOLUTE_F32, false};
 *
 *  or, with the extents that a kernel has already, volute_kernel_argument and an address. */
typedef struct volute_tensor {
  /** Its first element, aligned to one element; written to only where `writable`. */
  void* data;
  /** `rank` of them, in memory order, outermost first. */
  const volute_extent* extents;
  /** `rank` of them: elements (not bytes) between neighbours along each extent; NULL: dense. */
  const int64_t* strides;
  /** How many extents there are. */
  int32_t rank;
  /** What the elements are. */
  volute_element element;
  /** Outputs ask for it. */
  bool writable;
} volute_tensor;

/** A tensor and the name of the input or output that it is for, as "x". */
typedef struct volute_named_tensor {
  /** As the program has it, without its %. */
  const char* name;
  /** Its memory. */
  volute_tensor tensor;
} volute_named_tensor;

/** Its type as the program text writes it, "f32[n=1, c=3, h=224, w=224]", or what is wrong with its
 *  fields. The string is the caller's; NULL where there is no memory for it. `data` and `strides`
 *  are not looked at. */
VOLUTE_API char* volute_tensor_type(const volute_tensor* tensor) VOLUTE_NOEXCEPT;
/** Bytes of one element: 1, 2, 4 or 8; 0 for what is no element type. */
VOLUTE_API int64_t volute_element_bytes(volute_element element) VOLUTE_NOEXCEPT;

/* ---- options --------------------------------------------------------------------------------- */

/** A setting as text: {"threads", "4"}. A list of them ends with {NULL, NULL}; NULL is a list of
 *  none. A name that there is not, or a value that does not fit, is refused with those that there
 *  are. */
typedef struct volute_option {
  /** Which setting. */
  const char* name;
  /** Its value, as text. */
  const char* value;
} volute_option;

/* ---- programs -------------------------------------------------------------------------------- */

/** A program: operators and the exact shapes of what they are applied to. Never changes. */
typedef struct volute_program volute_program;

/** Reads a program's text (docs/language.md).
 *
 *  \param text     the program, ending with a 0 byte; any bytes are read or refused
 *  \param name     what errors call the text, as a file's name; NULL: "program"
 *  \param folder   where `const file("w.npy")` looks for its files; NULL: such constants are
 * refused \param program  receives the program \param error    receives every independent fault
 * with its line and column, or may be NULL
 *
 *  A text of several programs is refused; volute_program_parse_entry picks one. */
VOLUTE_API volute_status volute_program_parse(const char* text, const char* name,
                                              const char* folder, volute_program** program,
                                              volute_error** error) VOLUTE_NOEXCEPT;
/** The same, of a text of one or more programs the one called `entry`, without its @. */
VOLUTE_API volute_status volute_program_parse_entry(const char* text, const char* name,
                                                    const char* folder, const char* entry,
                                                    volute_program** program,
                                                    volute_error** error) VOLUTE_NOEXCEPT;
/** Its name, without the @. The string is the program's; "" for NULL. */
VOLUTE_API const char* volute_program_name(const volute_program* program) VOLUTE_NOEXCEPT;
/** Its text in canonical form, which parses to the same program. The string is the caller's; NULL
 *  where there is no memory for it, or no program. */
VOLUTE_API char* volute_program_text(const volute_program* program) VOLUTE_NOEXCEPT;
/** Ends it; NULL is allowed. */
VOLUTE_API void volute_program_free(volute_program* program) VOLUTE_NOEXCEPT;

/* ---- sessions -------------------------------------------------------------------------------- */

/** Where kernels are compiled and kept: for one machine, on one set of threads. */
typedef struct volute_session volute_session;

/** Makes a session.
 *
 *  \param options  its settings: those of the environment variables that begin with VOLUTE_, by the
 *                  rest of their names in lower case, as {"threads", "4"} for VOLUTE_THREADS
 *                  (`volute --help` lists them). What is left out is as the environment says, else
 *                  the default.
 *  \param session  receives the session
 *  \param error    receives what is wrong, in the options or the environment, or may be NULL */
VOLUTE_API volute_status volute_session_create(const volute_option* options,
                                               volute_session** session,
                                               volute_error** error) VOLUTE_NOEXCEPT;

/** The caller's threads: calls body(body_context, 0) ... body(body_context, count - 1), each once,
 *  in any order and on any threads, and returns 0 when all of them are done, or another number when
 *  they are not and never will be. The body does not throw, and is not to be called after the
 *  return. May itself be called from several threads at once, where kernels are. */
typedef int (*volute_parallel_for)(void* context, int64_t count,
                                   void (*body)(void* body_context, int64_t piece),
                                   void* body_context);

/** Makes a session whose kernels run on threads of the caller's.
 *
 *  \param options       as of volute_session_create, without "threads"
 *  \param threads       into how many pieces work is cut at most, 1 or more
 *  \param parallel_for  runs the pieces
 *  \param context       is handed to it; has to live as long as the session and its kernels
 *  \param session       receives the session
 *  \param error         receives what is wrong, or may be NULL */
VOLUTE_API volute_status volute_session_create_on(const volute_option* options, int32_t threads,
                                                  volute_parallel_for parallel_for, void* context,
                                                  volute_session** session,
                                                  volute_error** error) VOLUTE_NOEXCEPT;
/** Lets go of every kernel that the session keeps and nobody else holds. */
VOLUTE_API void volute_session_clear_cache(volute_session* session) VOLUTE_NOEXCEPT;
/** Ends it; kernels that were compiled by it live on. NULL is allowed. */
VOLUTE_API void volute_session_free(volute_session* session) VOLUTE_NOEXCEPT;

/* ---- compiling ------------------------------------------------------------------------------- */

/** A program made callable: native code for its shapes. Never changes, unless it is tiered. */
typedef struct volute_kernel volute_kernel;

/** Compiles a program, or finds the kernel that the session has compiled before.
 *
 *  \param session  where to compile and to keep it
 *  \param program  what to compile
 *  \param options  "schedule" (auto, naive or directives), "target" (native, or a CPU of
 *                  `volute targets`), "accuracy" (a number of 0 or more), "deterministic" (0 or 1),
 *                  "flush_denormals" (0 or 1), "compile_seconds", "compile_memory"; and
 *                  "strides.NAME", for an input or output that is not dense, elements between
 *                  neighbours along each of its extents, as in {"strides.x", "4800, 10, 1"}. What
 *                  is left out is the session's.
 *  \param kernel   receives the kernel
 *  \param error    receives why not, or may be NULL
 *
 *  Takes from a few milliseconds to seconds, on the calling thread; a kernel that the session keeps
 *  is found in some microseconds. */
VOLUTE_API volute_status volute_compile(volute_session* session, const volute_program* program,
                                        const volute_option* options, volute_kernel** kernel,
                                        volute_error** error) VOLUTE_NOEXCEPT;

/** A kernel that another thread compiles. Others who ask the session for the same kernel meanwhile
 *  wait for this one. */
typedef struct volute_pending volute_pending;

/** Has a program compiled by another thread, of which there are as many as processors at most, and
 *  none when there is nothing to do.
 *
 *  \param session  where to compile and to keep it; may end meanwhile
 *  \param program  what to compile; may end meanwhile
 *  \param options  as of volute_compile
 *  \param pending  receives what becomes the kernel
 *  \param error    receives what is wrong with the options, or may be NULL: a program is refused by
 *                  volute_pending_kernel */
VOLUTE_API volute_status volute_compile_async(volute_session* session,
                                              const volute_program* program,
                                              const volute_option* options,
                                              volute_pending** pending,
                                              volute_error** error) VOLUTE_NOEXCEPT;
/** Waits until volute_pending_kernel returns at once, or for so many seconds, of which 0 only asks;
 *  whether it is so far. True for NULL. */
VOLUTE_API bool volute_pending_wait(const volute_pending* pending, double seconds) VOLUTE_NOEXCEPT;
/** Waits for the kernel; may be asked for it more than once.
 *
 *  \param pending  what is being compiled
 *  \param kernel   receives the kernel, a handle of its own each time
 *  \param error    receives why not, or may be NULL */
VOLUTE_API volute_status volute_pending_kernel(const volute_pending* pending,
                                               volute_kernel** kernel,
                                               volute_error** error) VOLUTE_NOEXCEPT;
/** Gives it up: what has not begun at once, what has after the pass that it is in, and
 *  volute_pending_kernel fails with VOLUTE_CANCELLED unless the kernel was there before. Others who ask for the same one get
 *  theirs. */
VOLUTE_API void volute_pending_cancel(const volute_pending* pending) VOLUTE_NOEXCEPT;
/** Ends the handle, and not what goes on behind it: the kernel comes into the session's cache,
 *  unless it was cancelled. NULL is allowed. */
VOLUTE_API void volute_pending_free(volute_pending* pending) VOLUTE_NOEXCEPT;

/** Makes a kernel that may be called a millisecond from here: without code at first, slower by an
 *  order of magnitude, while another thread compiles; by the good code from the call on for which
 *  that is ready. One that the session keeps, or finds on disk, is final from the beginning.
 *
 *  \param session  where to compile and to keep it; may end meanwhile
 *  \param program  what to compile; may end meanwhile
 *  \param options  as of volute_compile. Of a "deterministic" kernel both give the same bits; of
 *                  others they may differ in the last bits of a sum, as two schedules do
 *  \param kernel   receives the kernel, which is called, bound and described as any other
 *  \param error    receives what is wrong, or may be NULL: what only the compiler refuses, as a
 *                  schedule that does not fit, is told by volute_kernel_final
 *
 *  Each call is by one of the two from beginning to end, and waits for nothing. Kernels that are
 *  bound from it are tiered as well. What its calls take at first they take to the end: in place,
 *  or in a workspace of volute_kernel_workspace_bytes as it was before, and by the first kernel
 *  still, where the good one cannot. Both are kept until the handle ends. In a child of the process
 *  it stays as it was. */
VOLUTE_API volute_status volute_compile_tiered(volute_session* session,
                                               const volute_program* program,
                                               const volute_option* options, volute_kernel** kernel,
                                               volute_error** error) VOLUTE_NOEXCEPT;
/** Waits until a kernel stays as it is, or for so many seconds, of which 0 only asks; whether it
 *  does. True of a kernel that is not tiered, of one whose compile has failed, which stays without
 *  code, and of NULL. */
VOLUTE_API bool volute_kernel_wait(const volute_kernel* kernel, double seconds) VOLUTE_NOEXCEPT;
/** Waits likewise, and gives the good kernel by itself; may be asked for it more than once.
 *
 *  \param kernel  a tiered kernel, or another, which gives itself
 *  \param made    receives the good kernel, a handle of its own each time; the tiered one may end
 *  \param error   receives why there is none, or may be NULL: the compile's refusal, or
 *                 VOLUTE_CANCELLED */
VOLUTE_API volute_status volute_kernel_final(const volute_kernel* kernel, volute_kernel** made,
                                             volute_error** error) VOLUTE_NOEXCEPT;
/** Gives up the compile of a tiered kernel, as volute_pending_cancel does, and with it that of what
 *  it was bound from and what was bound from it: unless the good code is there, they stay without.
 *  Means nothing to other kernels, and to NULL. */
VOLUTE_API void volute_kernel_cancel(const volute_kernel* kernel) VOLUTE_NOEXCEPT;

/** What becomes of a program on its way to machine code, as text: compiles anew, for any target,
 *  and keeps nothing.
 *
 *  \param session  whose settings hold, and whose threads are of no matter
 *  \param program  what to compile
 *  \param options  as of volute_compile
 *  \param stage  "program", "nest", "schedule", "loops", "llvm", "asm" or "report", as of
 *                `volute inspect --stage`; or "html", all of them as the page of `--html`
 *  \param text   receives the text, which is the caller's: volute_string_free
 *  \param error  receives why not, or may be NULL */
VOLUTE_API volute_status volute_inspect(const volute_session* session,
                                        const volute_program* program, const volute_option* options,
                                        const char* stage, char** text,
                                        volute_error** error) VOLUTE_NOEXCEPT;

/* ---- kernels --------------------------------------------------------------------------------- */

/** Calls a kernel by position: the fast path.
 *
 *  \param kernel     what to call
 *  \param arguments  the inputs that are not bound, then the outputs, in the program's order. Each
 *                    has exactly the type (and the strides) that the kernel was compiled for and is
 *                    aligned to one element; outputs are `writable`. An output shares no byte with
 *                    another argument, unless volute_kernel_runs_in_place says that it may be the
 *                    very same tensor.
 *  \param count      how many they are
 *  \param error      receives why not, or may be NULL
 *
 *  Everything is checked before the first element is written; after a call that failed later the
 *  outputs hold anything. Allocates nothing once the kernel has run before. The caller's rounding
 *  mode and its treatment of denormal numbers hold for all of the call. */
VOLUTE_API volute_status volute_kernel_call(const volute_kernel* kernel,
                                            const volute_tensor* arguments, size_t count,
                                            volute_error** error) VOLUTE_NOEXCEPT;
/** The same in the caller's workspace: volute_kernel_workspace_bytes of it or more, at a multiple
 *  of 64 bytes, overlapping nothing and used by one call at a time. */
VOLUTE_API volute_status volute_kernel_call_in(const volute_kernel* kernel,
                                               const volute_tensor* arguments, size_t count,
                                               void* workspace, int64_t workspace_bytes,
                                               volute_error** error) VOLUTE_NOEXCEPT;
/** Calls it by name: every input that is not bound and every output, in any order. */
VOLUTE_API volute_status volute_kernel_run(const volute_kernel* kernel,
                                           const volute_named_tensor* arguments, size_t count,
                                           volute_error** error) VOLUTE_NOEXCEPT;

/** A kernel to which an input is a constant: weights are packed here and not on each call, and all
 *  that follows from what is bound is computed once. The kernel itself stays as it is.
 *
 *  \param kernel  to what
 *  \param input   name of the input, as "w"
 *  \param tensor  its value, of any strides; it is copied, as far as calls need it
 *  \param bound   receives the new kernel
 *  \param error   receives why not, or may be NULL */
VOLUTE_API volute_status volute_kernel_bind(const volute_kernel* kernel, const char* input,
                                            const volute_tensor* tensor, volute_kernel** bound,
                                            volute_error** error) VOLUTE_NOEXCEPT;

/** Its program's name. The string is the kernel's; "" for NULL. */
VOLUTE_API const char* volute_kernel_name(const volute_kernel* kernel) VOLUTE_NOEXCEPT;
/** How many arguments a call by position takes. */
VOLUTE_API size_t volute_kernel_arguments(const volute_kernel* kernel) VOLUTE_NOEXCEPT;
/** How many of them are inputs, which come first. */
VOLUTE_API size_t volute_kernel_inputs(const volute_kernel* kernel) VOLUTE_NOEXCEPT;
/** What an argument has to be: its type is written to `tensor` (with the strides that views must
 *  have, NULL where they are dense; `data` NULL; `writable` for an output), its name to `name`,
 *  which may be NULL. Both refer to memory of the kernel's. False when there is no such argument.
 */
VOLUTE_API bool volute_kernel_argument(const volute_kernel* kernel, size_t position,
                                       const char** name, volute_tensor* tensor) VOLUTE_NOEXCEPT;
/** The same of an input, bound or not, or an output by its name. */
VOLUTE_API bool volute_kernel_argument_named(const volute_kernel* kernel, const char* name,
                                             volute_tensor* tensor) VOLUTE_NOEXCEPT;
/** Whether a call may be given one tensor as this input and as this output; false too where there
 *  are no such. */
VOLUTE_API bool volute_kernel_runs_in_place(const volute_kernel* kernel, const char* input,
                                            const char* output) VOLUTE_NOEXCEPT;
/** Bytes that one call needs beside its arguments; of a tiered kernel, by the one that is called
 *  now. As many stay enough: calls stay by the first one where the good one needs more. */
VOLUTE_API int64_t volute_kernel_workspace_bytes(const volute_kernel* kernel) VOLUTE_NOEXCEPT;
/** Bytes of what is bound and what was computed of it, as far as calls read it. */
VOLUTE_API int64_t volute_kernel_owned_bytes(const volute_kernel* kernel) VOLUTE_NOEXCEPT;
/** Bytes of code and constants, shared by a kernel and all that was bound from it. */
VOLUTE_API int64_t volute_kernel_mapped_bytes(const volute_kernel* kernel) VOLUTE_NOEXCEPT;
/** Ends it; NULL is allowed. A compile that goes on for it comes into the session's cache. */
VOLUTE_API void volute_kernel_free(volute_kernel* kernel) VOLUTE_NOEXCEPT;

#ifdef __cplusplus
} // extern "C"
#if !defined(VOLUTE_C_ONLY)
#include <volute/volute.hpp>
#endif
#endif

#endif /* VOLUTE_VOLUTE_H */
