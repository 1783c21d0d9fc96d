// Check a bundle's files by its golden.json, through ONNX Runtime's C API.
//
//     cc golden.c -I HEADERS -L LIBRARIES -lonnxruntime -lm -o golden
//     ./golden FOLDER/golden.json PICTURE.ppm FOLDER/onnx/text_model.onnx …
//
// PICTURE.ppm is golden.json's picture, decoded. Files are towers in any encoding, and `image`; a
// picture reaches a tower through the preprocess.onnx beside it. Prints the worst cosine of each
// file; exit status 1 if one is below its floor, gives what is no number or does not run.

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Not in quotes, which would find the short header beside this file before ONNX Runtime's own.
#include <onnxruntime_c_api.h>

enum { MOST = 4096 };  // numbers of an array in golden.json

static const OrtApi *api;
static OrtEnv *env;
static OrtSessionOptions *options;
static OrtMemoryInfo *memory;

static _Noreturn void stop(const char *what, const char *why) {
  fprintf(stderr, "error: %s: %s\n", what, why);
  exit(1);
}

static void must(OrtStatus *status, const char *what) {
  if (status) stop(what, api->GetErrorMessage(status));
}

// A file's bytes and a 0 after them; `size` is told how many they are without it.
static char *content(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) stop(path, "cannot be opened");
  fseek(file, 0, SEEK_END);
  long end = ftell(file);
  if (end < 0) stop(path, "cannot be read");
  *size = (size_t)end;
  rewind(file);
  char *bytes = calloc(*size + 1, 1);
  if (!bytes || fread(bytes, 1, *size, file) != *size) stop(path, "cannot be read");
  fclose(file);
  return bytes;
}

// What follows `"key":` in JSON that this project wrote, or NULL.
static const char *after(const char *json, const char *key) {
  char quoted[300];
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  const char *found = strstr(json, quoted);
  if (!found) return NULL;
  found += strlen(quoted);
  return found + strspn(found, " ");
}

// The numbers of the array that starts there; returns how many.
static size_t numbers(const char *json, double *array) {
  size_t count = 0;
  for (char *end; *json != ']' && count < MOST; json = end + strspn(end, ", \n")) {
    json += strspn(json, "[ \n");
    array[count++] = strtod(json, &end);
    if (end == json) stop("golden.json", "is cut short");
  }
  return count;
}

static OrtValue *tensor(void *data, size_t bytes, const int64_t *shape, size_t rank,
                        ONNXTensorElementDataType type) {
  OrtValue *value = NULL;
  must(api->CreateTensorWithDataAsOrtValue(memory, data, bytes, shape, rank, type, &value), "input");
  return value;
}

// The picture of a binary PPM file: uint8 [height, width, 3].
static OrtValue *picture(const char *path) {
  size_t size;
  char *bytes = content(path, &size);
  int width, height, start = 0;
  if (sscanf(bytes, "P6 %5d %5d 255%n", &width, &height, &start) != 2 || !start || width < 1 ||
      height < 1)
    stop(path, "is no binary PPM picture");
  int64_t shape[3] = {height, width, 3};
  size_t header = (size_t)start + 1, levels = (size_t)height * (size_t)width * 3;
  if (size < header + levels) stop(path, "is cut short");
  return tensor(bytes + header, levels, shape, 3, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8);
}

static OrtSession *load(const char *path) {
  OrtSession *session = NULL;
  must(api->CreateSession(env, path, options, &session), path);
  return session;
}

static OrtValue *run(OrtSession *session, const char *input, const OrtValue *value,
                     const char *output) {
  OrtValue *found = NULL;
  must(api->Run(session, NULL, &input, &value, 1, &output, 1, &found), output);
  return found;
}

// The cosine of a float32 tensor with an array in JSON, NaN for zeros. Releases the tensor.
static double cosine(OrtValue *value, const char *json) {
  double truth[MOST], product = 0, own = 0, other = 0;
  float *found = NULL;
  size_t count = 0;
  OrtTensorTypeAndShapeInfo *info = NULL;
  must(api->GetTensorTypeAndShape(value, &info), "output");
  must(api->GetTensorShapeElementCount(info, &count), "output");
  must(api->GetTensorMutableData(value, (void **)&found), "output");
  if (!json || numbers(json, truth) != count) stop("golden.json", "is of another model");
  for (size_t at = 0; at < count; at++) {
    product += truth[at] * found[at];
    own += (double)found[at] * found[at];
    other += truth[at] * truth[at];
  }
  api->ReleaseTensorTypeAndShapeInfo(info);
  api->ReleaseValue(value);
  return product / sqrt(own * other);
}

// The worst over the captions of golden.json, unpadded; NaN is worse than any.
static double textual(OrtSession *session, const char *golden) {
  double array[MOST], worst = INFINITY;
  const char *text = golden;
  while ((text = after(text, "input_ids"))) {
    int64_t ids[MOST], shape[2] = {1, (int64_t)numbers(text, array)};
    for (int64_t at = 0; at < shape[1]; at++) ids[at] = (int64_t)array[at];
    size_t bytes = (size_t)shape[1] * sizeof *ids;
    OrtValue *row = tensor(ids, bytes, shape, 2, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64);
    OrtValue *embeds = run(session, "input_ids", row, "text_embeds");
    double found = cosine(embeds, after(text, "text_embeds"));
    if (isnan(found) || found < worst) worst = found;
    api->ReleaseValue(row);
  }
  if (isinf(worst)) stop("golden.json", "has no captions");
  return worst;
}

static double visual(OrtSession *session, const char *golden, const char *path,
                     const OrtValue *image) {
  char beside[4096];
  int folder = (int)(strrchr(path, '/') - path);
  snprintf(beside, sizeof beside, "%.*s/preprocess.onnx", folder, path);
  OrtSession *preprocess = load(beside);
  OrtValue *pixels = run(preprocess, "image", image, "pixel_values");
  OrtValue *embeds = run(session, "pixel_values", pixels, "image_embeds");
  api->ReleaseValue(pixels);
  api->ReleaseSession(preprocess);
  return cosine(embeds, after(golden, "image_embeds"));
}

// Whether the file at FOLDER/onnx/NAME is as close as golden.json says. Where its floor is null, nothing
// is said, and it is not.
static int holds(const char *path, const char *golden, const OrtValue *image) {
  const char *name = strrchr(path, '/');
  char key[256];
  snprintf(key, sizeof key, "onnx%s", name ? name : "");
  const char *entry = after(golden, key);
  if (!entry) stop(path, "golden.json does not list it");
  const char *graph = after(entry, "graph"), *least = after(entry, "cosine_min");
  if (!graph || !least) stop("golden.json", "is cut short");
  char *end;
  double floor = strtod(least, &end), found;
  if (end == least && strncmp(least, "null", 4)) stop("golden.json", "is cut short");
  OrtSession *session = load(path);
  if (!strncmp(graph, "\"textual\"", 9))
    found = textual(session, golden);
  else if (!strncmp(graph, "\"visual\"", 8))
    found = visual(session, golden, path, image);
  else if (!strncmp(graph, "\"image\"", 7))
    found = cosine(run(session, "image", image, "image_embeds"), after(golden, "image_embeds"));
  else
    stop(path, "is neither a tower nor an image product");
  api->ReleaseSession(session);
  int bounded = end != least, held = bounded && found >= floor;
  printf("%s cosine %.9f ", key, found);
  if (bounded) printf("floor %g ", floor);
  puts(isnan(found) ? "is no number" : !bounded ? "no floor" : held ? "ok" : "below its floor");
  return held;
}

int main(int count, char **arguments) {
  if (count < 4) stop("usage", "golden GOLDEN.json PICTURE.ppm FOLDER/onnx/FILE.onnx …");
  api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (!api) stop("ONNX Runtime", "is older than the header");
  must(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "golden", &env), "environment");
  must(api->CreateSessionOptions(&options), "options");
  must(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "memory");
  size_t size;
  const char *golden = content(arguments[1], &size);
  if (strlen(golden) != size) stop(arguments[1], "is no JSON");
  const OrtValue *image = picture(arguments[2]);
  int failed = 0;
  for (int at = 3; at < count; at++) failed |= !holds(arguments[at], golden, image);
  return failed;
}
