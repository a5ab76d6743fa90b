/* A kernel made at run time, from C: compile, bind the weights, call. */
#include <stdio.h>
#include <stdlib.h>
#include <volute/volute.h>

/* Says what went wrong, in the library's words, and ends the program. */
static void check(volute_status status, volute_error** error) {
  if (status == VOLUTE_OK) return;
  fputs(volute_error_render(*error), stderr);
  exit(EXIT_FAILURE);
}

int main(void) {
  /* conv2d(x, w, stride=1), then relu, for exactly these shapes. */
  const char* text = "program @first(%x: f32[n=1, c=1, h=5, w=5], %w: f32[o=1, i=1, h=3, w=3]) {\n"
                     "  %0 = conv %x, %w\n"
                     "  %y = relu %0\n"
                     "  return %y\n"
                     "}\n";
  volute_error* error = NULL;
  volute_session* session;
  volute_program* program;
  volute_kernel *kernel, *bound;
  check(volute_session_create(NULL, &session, &error), &error);
  check(volute_program_parse(text, "first", NULL, &program, &error), &error);
  check(volute_compile(session, program, NULL, &kernel, &error), &error);

  /* Tensors are memory that is yours; their types are the kernel's, nothing is copied. */
  float image[] = {1, 2, 0, 3, 1, 0, 1, 2, 3, 1, 1, 2, 1, 0, 0, 5, 2, 3, 1, 1, 2, 1, 0, 1, 1};
  float filter[] = {1, 2, 1, 0, 1, 0, 2, 1, 0};
  float result[9];
  volute_tensor w, arguments[2];
  volute_kernel_argument_named(kernel, "w", &w);
  w.data = filter;

  /* Weights bound once, what is left by position: the fast path. */
  check(volute_kernel_bind(kernel, "w", &w, &bound, &error), &error);
  volute_kernel_argument(bound, 0, NULL, &arguments[0]);
  volute_kernel_argument(bound, 1, NULL, &arguments[1]);
  arguments[0].data = image;
  arguments[1].data = result;
  check(volute_kernel_call(bound, arguments, 2, &error), &error);

  for (int row = 0; row < 3; ++row)
    printf("%2g %2g %2g\n", result[3 * row], result[3 * row + 1], result[3 * row + 2]);

  volute_kernel_free(bound);
  volute_kernel_free(kernel);
  volute_program_free(program);
  volute_session_free(session);
  return EXIT_SUCCESS;
}
