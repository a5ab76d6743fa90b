/* A compiled kernel in a C program that links nothing else:
 *
 *     volute compile examples/c/layer.vlt -o layer.o --header layer.h
 *     cc -I. examples/c/layer.c layer.o -o layer
 *     ./layer
 */
#include "layer.h"

#include <stdio.h>

enum { floats = sizeof(float) };

static float x[LAYER_X_BYTES / floats], w[LAYER_W_BYTES / floats], b[LAYER_B_BYTES / floats];
static float whole[LAYER_Y_BYTES / floats], in_parts[LAYER_Y_BYTES / floats];

/* What the kernel asks for, at a multiple of 64; one byte more, for either may be nothing. */
static _Alignas(64) unsigned char prepared[LAYER_PREPARED_BYTES + 1];
static _Alignas(64) unsigned char workspace[LAYER_WORKSPACE_BYTES + 1];
static _Alignas(64) unsigned char scratch[LAYER_SCRATCH_BYTES + 1];

int main(void) {
  /* Small whole numbers, so that every order of summation gives the same. */
  for (size_t i = 0; i < sizeof x / floats; ++i) x[i] = (float)(i * 7 % 11) - 5;
  for (size_t i = 0; i < sizeof w / floats; ++i) w[i] = (float)(i * 5 % 7) - 3;
  for (size_t i = 0; i < sizeof b / floats; ++i) b[i] = (float)i;

  /* Once: the weight is packed. Then as often as there are images. */
  layer_prepare(w, b, prepared, workspace);
  layer_run(x, prepared, whole, workspace);

  /* The same in two halves a step, which two threads could run. */
  static const int64_t items[LAYER_STEPS] = LAYER_STEP_ITEMS;
  for (int step = 0; step < LAYER_STEPS; ++step) {
    const int64_t half = items[step] / 2;
    layer_step(step, x, prepared, in_parts, workspace, scratch, 0, half);
    layer_step(step, x, prepared, in_parts, workspace, scratch, half, items[step]);
  }

  /* And by the definition. */
  int wrong = 0;
  for (int h = 0; h < 8; ++h)
    for (int v = 0; v < 8; ++v)
      for (int o = 0; o < 16; ++o) {
        float sum = b[o];
        for (int i = 0; i < 4; ++i)
          for (int kh = 0; kh < 3; ++kh)
            for (int kw = 0; kw < 3; ++kw)
              sum += x[((h + kh) * 10 + v + kw) * 4 + i] * w[((o * 4 + i) * 3 + kh) * 3 + kw];
        const float expected = sum > 0 ? sum : 0;
        const int at = (h * 8 + v) * 16 + o;
        wrong += whole[at] != expected || in_parts[at] != expected;
      }
  printf("%d of %d wrong, y[0] = %g\n", wrong, (int)(sizeof whole / floats), whole[0]);
  return wrong != 0;
}
