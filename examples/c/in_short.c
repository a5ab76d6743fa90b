/* The layer of the README's first page, from C. */
#include <stdio.h>
#include <stdlib.h>
#include <volute/volute.h>

static const char text[] =
    "program @layer(%x: f32[n=1, c=3, h=224, w=224], %w: f32[o=64, i=3, h=7, w=7], %b: f32[o=64]) {"
    "  %0 = conv %x, %w, %b {stride = 2, pad = 3}"
    "  %z = relu %0"
    "  return %z"
    "}";

/* Numbers that are all the same. */
static float* filled(size_t count, float value) {
  float* numbers = malloc(count * sizeof *numbers);
  for (size_t i = 0; numbers && i < count; ++i) numbers[i] = value;
  return numbers;
}

int main(void) {
  const volute_extent image[] = {{VOLUTE_N, 1}, {VOLUTE_C, 3}, {VOLUTE_H, 224}, {VOLUTE_W, 224}};
  const volute_extent filter[] = {{VOLUTE_O, 64}, {VOLUTE_I, 3}, {VOLUTE_H, 7}, {VOLUTE_W, 7}};
  const volute_extent bias[] = {{VOLUTE_O, 64}};
  const volute_extent result[] = {{VOLUTE_N, 1}, {VOLUTE_C, 64}, {VOLUTE_H, 112}, {VOLUTE_W, 112}};
  const volute_tensor x = {filled(3 * 224 * 224, 1), image, NULL, 4, VOLUTE_F32, false};
  const volute_tensor w = {filled(64 * 3 * 7 * 7, 1), filter, NULL, 4, VOLUTE_F32, false};
  const volute_tensor b = {filled(64, -100), bias, NULL, 1, VOLUTE_F32, false};
  const volute_tensor z = {filled(64 * 112 * 112, 0), result, NULL, 4, VOLUTE_F32, true};

  volute_session* session = NULL;
  volute_program* program = NULL;
  volute_kernel *kernel = NULL, *layer = NULL;
  volute_error* error = NULL;
  const volute_tensor arguments[] = {x, b, z};
  const bool failed = volute_session_create(NULL, &session, &error) ||
                      volute_program_parse(text, "layer", NULL, &program, &error) ||
                      volute_compile(session, program, NULL, &kernel, &error) ||
                      volute_kernel_bind(kernel, "w", &w, &layer, &error) ||
                      volute_kernel_call(layer, arguments, 3, &error);
  if (failed) fputs(volute_error_render(error), stderr);

  const float* numbers = z.data;
  if (!failed) printf("%g in a corner, %g inside\n", numbers[0], numbers[2 * 112 + 2]);
  volute_error_free(error);
  volute_kernel_free(layer);
  volute_kernel_free(kernel);
  volute_program_free(program);
  volute_session_free(session);
  free(x.data), free(w.data), free(b.data), free(z.data);
  return failed;
}
