/* The C interface from C: runs a model (an argument) on an input whose sizes are the other arguments and whose elements
 * are 0, 1/8, ..., 7/8, 0, ..., and prints its output; then every way to be wrong, which must give a status. */
#include <dlcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                           \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      fprintf(stderr, "line %d: %s (last error: %s)\n", __LINE__, #condition, dlcore_last_error()); \
      exit(1);                                                                                      \
    }                                                                                               \
  } while (0)

/* The call fails with this status and a message that contains `part`. */
#define EXPECT_ERROR(call, status, part) EXPECT((call) == (status) && strstr(dlcore_last_error(), part))

static void run_model(const char* path, int ndim, char** sizes) {
  int64_t shape[8], count = 1;
  for (int i = 0; i < ndim; ++i) count *= shape[i] = atoll(sizes[i]);
  float* values = malloc((size_t)count * sizeof(float));
  EXPECT(values);
  for (int64_t i = 0; i < count; ++i) values[i] = (float)(i % 8) / 8;

  dlcore_model* model = NULL;
  dlcore_tensor *input = NULL, *output = NULL;
  EXPECT(dlcore_model_load(path, &model) == DLCORE_OK);
  EXPECT(dlcore_tensor_create(DLCORE_FLOAT32, ndim, shape, values, &input) == DLCORE_OK);
  EXPECT(dlcore_model_run(model, input, &output) == DLCORE_OK);
  dlcore_tensor_release(input);
  free(values);

  dlcore_dtype dtype = -1;
  size_t bytes = 0;
  EXPECT(dlcore_tensor_dtype(output, &dtype) == DLCORE_OK && dtype == DLCORE_FLOAT32);
  EXPECT(dlcore_tensor_bytes(output, &bytes) == DLCORE_OK && bytes % sizeof(float) == 0);
  float* results = malloc(bytes);
  EXPECT(results && dlcore_tensor_read(output, results, bytes) == DLCORE_OK);
  for (size_t i = 0; i < bytes / sizeof(float); ++i) printf("%.9g\n", results[i]);
  free(results);

  /* A model refuses what it can't take, and goes on. */
  dlcore_tensor *wrong = NULL, *again = NULL;
  const int64_t odd[] = {1, 2, 3, 5, 7};
  EXPECT(dlcore_tensor_create(DLCORE_FLOAT32, 5, odd, NULL, &wrong) == DLCORE_OK);
  EXPECT(dlcore_model_run(model, wrong, &again) != DLCORE_OK && !again && dlcore_last_error()[0]);
  EXPECT_ERROR(dlcore_model_run(NULL, output, &again), DLCORE_VALUE_ERROR, "model must not be NULL");
  EXPECT_ERROR(dlcore_model_run(model, NULL, &again), DLCORE_VALUE_ERROR, "input must not be NULL");
  EXPECT_ERROR(dlcore_model_run(model, output, NULL), DLCORE_VALUE_ERROR, "out must not be NULL");
  dlcore_tensor_release(wrong);
  dlcore_tensor_release(output);
  dlcore_model_release(model);
}

int main(int count, char** arguments) {
  EXPECT(dlcore_last_error()[0] == '\0' && dlcore_version()[0]);
  if (count > 2) run_model(arguments[1], count - 2, arguments + 2);

  const int64_t shape[] = {2, 3};
  const int16_t values[] = {1, -2, 3, -4, 5, -6};
  int16_t copy[6] = {0};
  int64_t sizes[2] = {0};
  int32_t ndim = -1;
  size_t bytes = 0;
  dlcore_dtype dtype = -1;
  dlcore_tensor *t = NULL, *none = NULL;
  EXPECT(dlcore_tensor_create(DLCORE_INT16, 2, shape, values, &t) == DLCORE_OK && t);
  EXPECT(dlcore_tensor_dtype(t, &dtype) == DLCORE_OK && dtype == DLCORE_INT16);
  EXPECT(dlcore_tensor_ndim(t, &ndim) == DLCORE_OK && ndim == 2);
  EXPECT(dlcore_tensor_shape(t, 2, sizes) == DLCORE_OK && sizes[0] == 2 && sizes[1] == 3);
  EXPECT(dlcore_tensor_bytes(t, &bytes) == DLCORE_OK && bytes == sizeof values);
  EXPECT(dlcore_tensor_read(t, copy, sizeof copy) == DLCORE_OK && !memcmp(copy, values, sizeof values));

  EXPECT_ERROR(dlcore_tensor_read(t, copy, 3), DLCORE_VALUE_ERROR, "takes 12 bytes, but bytes is 3");
  EXPECT_ERROR(dlcore_tensor_read(t, NULL, sizeof copy), DLCORE_VALUE_ERROR, "data must not be NULL");
  EXPECT_ERROR(dlcore_tensor_read(NULL, copy, sizeof copy), DLCORE_VALUE_ERROR, "tensor must not be NULL");
  EXPECT_ERROR(dlcore_tensor_shape(t, 1, sizes), DLCORE_VALUE_ERROR, "has 2 dimensions, but ndim is 1");
  EXPECT_ERROR(dlcore_tensor_shape(t, 2, NULL), DLCORE_VALUE_ERROR, "out must not be NULL");
  EXPECT_ERROR(dlcore_tensor_ndim(t, NULL), DLCORE_VALUE_ERROR, "out must not be NULL");
  EXPECT_ERROR(dlcore_tensor_dtype(NULL, &dtype), DLCORE_VALUE_ERROR, "tensor must not be NULL");
  EXPECT_ERROR(dlcore_tensor_bytes(NULL, &bytes), DLCORE_VALUE_ERROR, "tensor must not be NULL");
  dlcore_tensor_release(t);
  dlcore_tensor_release(NULL);

  const int64_t negative[] = {-1, 3}, huge[] = {INT64_MAX / 2, INT64_MAX / 2}, large[] = {INT64_C(1) << 50};
  const unsigned char two[6] = {0, 1, 2};
  EXPECT_ERROR(dlcore_tensor_create(DLCORE_INT16, 2, shape, values, NULL), DLCORE_VALUE_ERROR, "out must not be NULL");
  EXPECT_ERROR(dlcore_tensor_create(10, 2, shape, NULL, &none), DLCORE_VALUE_ERROR, "no dtype 10");
  EXPECT_ERROR(dlcore_tensor_create(-1, 2, shape, NULL, &none), DLCORE_VALUE_ERROR, "no dtype -1");
  EXPECT_ERROR(dlcore_tensor_create(0, -1, shape, NULL, &none), DLCORE_VALUE_ERROR, "ndim must be from 0 to 64");
  EXPECT_ERROR(dlcore_tensor_create(0, 1 << 30, shape, NULL, &none), DLCORE_VALUE_ERROR, "ndim must be from 0 to 64");
  EXPECT_ERROR(dlcore_tensor_create(0, 2, NULL, NULL, &none), DLCORE_VALUE_ERROR, "shape must not be NULL");
  EXPECT_ERROR(dlcore_tensor_create(0, 2, negative, NULL, &none), DLCORE_VALUE_ERROR, "must not be negative");
  EXPECT(dlcore_tensor_create(0, 2, huge, NULL, &none) == DLCORE_RUNTIME_ERROR);
  EXPECT(dlcore_tensor_create(0, 1, large, NULL, &none) == DLCORE_OUT_OF_MEMORY);
  EXPECT_ERROR(dlcore_tensor_create(DLCORE_BOOL, 2, shape, two, &none), DLCORE_VALUE_ERROR, "must be 0 or 1");
  EXPECT(!none);
  EXPECT(dlcore_tensor_create(DLCORE_FLOAT64, 0, NULL, NULL, &t) == DLCORE_OK);
  EXPECT(dlcore_tensor_bytes(t, &bytes) == DLCORE_OK && bytes == 8);
  dlcore_tensor_release(t);

  dlcore_model* model = NULL;
  EXPECT_ERROR(dlcore_model_load("no/such/file", &model), DLCORE_RUNTIME_ERROR, "cannot open no/such/file");
  EXPECT_ERROR(dlcore_model_load(arguments[0], &model), DLCORE_VALUE_ERROR, "is not a complete safetensors file");
  EXPECT_ERROR(dlcore_model_load(NULL, &model), DLCORE_VALUE_ERROR, "path must not be NULL");
  EXPECT_ERROR(dlcore_model_load("x", NULL), DLCORE_VALUE_ERROR, "out must not be NULL");
  EXPECT(!model);
  dlcore_model_release(NULL);
  EXPECT(dlcore_set_num_threads(0) != DLCORE_OK && dlcore_set_num_threads(1) == DLCORE_OK);
  return 0;
}
