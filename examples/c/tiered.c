/* A kernel that is called at once: without code at first, by the good code when that is ready. */
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
  const char* text =
      "program @layer(%x: f32[n=1, h=10, w=10, c=4], %w: f32[o=16, i=4, h=3, w=3]) {\n"
      "  %y = conv %x, %w\n"
      "  return %y\n"
      "}\n";
  volute_error* error = NULL;
  volute_session* session;
  volute_program* program;
  volute_kernel *tiered, *bound;
  check(volute_session_create(NULL, &session, &error), &error);
  check(volute_program_parse(text, "layer", NULL, &program, &error), &error);

  static float image[10 * 10 * 4], weights[16 * 4 * 3 * 3], result[8 * 8 * 16];
  for (size_t i = 0; i < sizeof image / sizeof *image; ++i) image[i] = 1;
  for (size_t i = 0; i < sizeof weights / sizeof *weights; ++i) weights[i] = 1;

  /* Bound to its weights, it is tiered as well. */
  volute_tensor w, arguments[2];
  check(volute_compile_tiered(session, program, NULL, &tiered, &error), &error);
  volute_kernel_argument_named(tiered, "w", &w);
  w.data = weights;
  check(volute_kernel_bind(tiered, "w", &w, &bound, &error), &error);
  volute_kernel_argument(bound, 0, NULL, &arguments[0]);
  volute_kernel_argument(bound, 1, NULL, &arguments[1]);
  arguments[0].data = image;
  arguments[1].data = result;
  check(volute_kernel_call(bound, arguments, 2, &error), &error); /* after a millisecond, slowly */
  printf("%g\n", result[0]);

  /* Nobody has to wait. Who does, calls the good code from here on. */
  if (!volute_kernel_wait(bound, 60)) puts("it takes more than a minute");
  check(volute_kernel_call(bound, arguments, 2, &error), &error);
  printf("%g\n", result[0]);

  volute_kernel_free(bound);
  volute_kernel_free(tiered);
  volute_program_free(program);
  volute_session_free(session);
  return EXIT_SUCCESS;
}
