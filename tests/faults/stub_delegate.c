/* A delegate for TensorFlow Lite as the Edge TPU's library is one, without a TPU: it takes over the last operations of a
 * model (LOGISTIC and SOFTMAX), computes them rightly some times, and then hangs, reports an error or ends the process.
 *
 *     gcc -shared -fPIC -o libstub.so stub_delegate.c -lm
 *     STUB_DELEGATE=hangs:40 | raises:40 | aborts:40 | absent
 *
 * The structures are those of tensorflow/lite/core/c/common.h, as far as they are used here; that file is Apache-2.0,
 * The TensorFlow Authors. No package brings it.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, LOGISTIC = 14, SOFTMAX = 25, INT8 = 9, MOST_NODES = 16 };

typedef int Status;
typedef struct { int size; int data[]; } IntArray;
typedef struct Delegate Delegate;
typedef struct Context Context;
typedef struct {
  int type;
  int8_t *data;
  IntArray *dims;
  float scale;
  int32_t zero_point;
  int allocation_type;
  size_t bytes;
  const void *allocation;
  const char *name;
  Delegate *delegate;
  int buffer_handle;
  char data_is_stale, is_variable;
  struct { int type; void *parameters; } quantization;
  void *sparsity, *dims_signature;
} Tensor;
typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user_data; } Node;
typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  Status (*prepare)(Context *, Node *);
  Status (*invoke)(Context *, Node *);
  void *profiling_string;
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *registration_external, *async_kernel;
  uint64_t inplace_operator;
} Registration;
struct Context {
  size_t tensors_size;
  Status (*get_execution_plan)(Context *, IntArray **);
  Tensor *tensors;
  void *implementation, *resize_tensor;
  void (*report_error)(Context *, const char *, ...);
  void *add_tensors;
  Status (*get_node_and_registration)(Context *, int, Node **, Registration **);
  Status (*replace)(Context *, Registration, const IntArray *, Delegate *);
};
struct Delegate {
  void *data;
  Status (*prepare)(Context *, Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *opaque;
};
/* What is handed to init() of a node that replaces others. */
typedef struct { Delegate *delegate; IntArray *nodes, *inputs, *outputs; } Parameters;
typedef struct { int operation, input, output; } Replaced;
typedef struct { int count; Replaced nodes[MOST_NODES]; } Kernel;

static int invocations_left(const char **how) {
  static char text[32];
  static int left = -1;
  if (left < 0) {
    const char *told = getenv("STUB_DELEGATE");
    snprintf(text, sizeof text, "%s", told ? told : "works:2000000000");
    char *colon = strchr(text, ':');
    left = colon ? atoi(colon + 1) : 0;
    if (colon) *colon = 0;
  }
  *how = text;
  return left > 0 ? left-- : 0;
}

static float value(const Tensor *tensor, size_t index) {
  return tensor->scale * (float)(tensor->data[index] - tensor->zero_point);
}

static void set(Tensor *tensor, size_t index, float number) {
  float quantized = roundf(number / tensor->scale) + (float)tensor->zero_point;
  tensor->data[index] = (int8_t)fmaxf(-128.0f, fminf(127.0f, quantized));
}

static void compute(Context *context, Replaced node) {
  Tensor *input = &context->tensors[node.input], *output = &context->tensors[node.output];
  float sum = 0.0f;
  for (size_t i = 0; i < input->bytes; i++) sum += expf(value(input, i));
  for (size_t i = 0; i < input->bytes; i++) {
    float number = value(input, i);
    set(output, i, node.operation == SOFTMAX ? expf(number) / sum : 1.0f / (1.0f + expf(-number)));
  }
}

static Status invoke(Context *context, Node *node) {
  const char *how;
  if (invocations_left(&how) == 0) {
    if (!strcmp(how, "hangs")) for (;;) pause();
    if (!strcmp(how, "aborts")) abort();
    context->report_error(context, "the stub failed as it was told to");
    return ERROR;
  }
  Kernel *kernel = node->user_data;
  for (int i = 0; i < kernel->count; i++) compute(context, kernel->nodes[i]);
  return OK;
}

static void *init(Context *context, const char *buffer, size_t length) {
  (void)length;
  const Parameters *parameters = (const Parameters *)buffer;
  Kernel *kernel = calloc(1, sizeof *kernel);
  for (int i = 0; i < parameters->nodes->size && i < MOST_NODES; i++) {
    Node *node;
    Registration *registration;
    context->get_node_and_registration(context, parameters->nodes->data[i], &node, &registration);
    kernel->nodes[kernel->count++] =
        (Replaced){registration->builtin_code, node->inputs->data[0], node->outputs->data[0]};
  }
  return kernel;
}

static void release(Context *context, void *kernel) {
  (void)context;
  free(kernel);
}

static Status prepare_node(Context *context, Node *node) {
  (void)context, (void)node;
  return OK;
}

static Status prepare(Context *context, Delegate *delegate) {
  IntArray *plan;
  IntArray *chosen = calloc(1, sizeof(IntArray) + MOST_NODES * sizeof(int));
  if (context->get_execution_plan(context, &plan) != OK) return ERROR;
  for (int i = 0; i < plan->size && chosen->size < MOST_NODES; i++) {
    Node *node;
    Registration *registration;
    context->get_node_and_registration(context, plan->data[i], &node, &registration);
    int is_known = registration->builtin_code == LOGISTIC || registration->builtin_code == SOFTMAX;
    if (is_known && context->tensors[node->inputs->data[0]].type == INT8) chosen->data[chosen->size++] = plan->data[i];
  }
  Registration kernel = {.init = init, .free = release, .prepare = prepare_node, .invoke = invoke,
                         .custom_name = "stub-custom-op", .version = 1};
  Status status = context->replace(context, kernel, chosen, delegate);
  free(chosen);
  return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  (void)keys, (void)values, (void)count, (void)report;
  const char *told = getenv("STUB_DELEGATE");
  /* As libedgetpu.so.1 without a device. */
  if (told && !strcmp(told, "absent")) return NULL;
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
