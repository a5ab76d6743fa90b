/* A program in C of somebody who installed Volute: it compiles a kernel, runs it and looks at the
 * numbers, and at what is said of a program that is refused. */
#include <stdio.h>
#include <string.h>
#include <volute/volute.h>

static int failed(const char* what, volute_error* error) {
  fprintf(stderr, "%s: %s\n", what, volute_error_message(error));
  volute_error_free(error);
  return 1;
}

int main(void) {
  volute_session* session = NULL;
  volute_program* program = NULL;
  volute_kernel* kernel = NULL;
  volute_error* error = NULL;
  const volute_option options[] = {{"threads", "1"}, {NULL, NULL}};
  const char* const text = "program @box(%x: f32[n=1, c=1, h=4, w=4]) {\n"
                           "  %y = avg_pool %x {kernel = 3, stride = 1, divisor = 1}\n"
                           "  return %y\n"
                           "}\n";
  if (volute_session_create(options, &session, &error)) return failed("session", error);
  if (volute_program_parse(text, NULL, NULL, &program, &error)) return failed("parse", error);
  if (volute_compile(session, program, NULL, &kernel, &error)) return failed("compile", error);

  float x[16], y[4];
  for (int i = 0; i < 16; ++i) x[i] = (float)i;
  const volute_extent image[] = {{VOLUTE_N, 1}, {VOLUTE_C, 1}, {VOLUTE_H, 4}, {VOLUTE_W, 4}};
  const volute_extent sums[] = {{VOLUTE_N, 1}, {VOLUTE_C, 1}, {VOLUTE_H, 2}, {VOLUTE_W, 2}};
  const volute_tensor arguments[] = {{x, image, NULL, 4, VOLUTE_F32, false},
                                     {y, sums, NULL, 4, VOLUTE_F32, true}};
  if (volute_kernel_call(kernel, arguments, 2, &error)) return failed("call", error);

  /* Sums of 3 x 3 neighbours of 0..15: nine times the middle one. */
  const float expected[] = {45, 54, 81, 90};
  if (memcmp(y, expected, sizeof expected)) return failed("the numbers are wrong", NULL);

  volute_program* refused = NULL;
  if (volute_program_parse("program @p() { return %q }", NULL, NULL, &refused, &error) !=
          VOLUTE_REFUSED ||
      volute_error_count(error) == 0)
    return failed("a program that is wrong was not refused", error);
  volute_error_free(error);
  volute_kernel_free(kernel);
  volute_program_free(program);
  volute_session_free(session);
  printf("Volute %s compiled and ran a kernel for a program in C\n", volute_version());
  return 0;
}
