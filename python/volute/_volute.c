/* The extension module under volute: programs, sessions and kernels over the C interface
 * (<volute/volute.h>), in Python's limited API, so that one file serves every Python from 3.11 on.
 *
 * What is called a million times is here: a call reads the addresses, shapes and strides of its
 * arrays (by the buffer protocol, else by DLPack), hands them to the kernel without the GIL, and
 * makes the results. Everything else is Python, in the files beside this one. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#define VOLUTE_C_ONLY
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <volute/volute.h>

/* ---- DLPack (dmlc/dlpack, version 0.x: what __dlpack__() gives) ------------------------------ */

typedef struct {
  void* data;
  int32_t device_type, device_id;
  int32_t ndim;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t* shape;
  int64_t* strides; /* in elements; NULL: dense */
  uint64_t byte_offset;
} DLTensor;

enum { dl_cpu = 1, dl_cuda_host = 3 };
enum { dl_int = 0, dl_uint = 1, dl_float = 2, dl_bfloat = 4 };

/* ---- what the Python side has told us -------------------------------------------------------- */

static PyObject* error_type;   /* volute.Error */
static PyObject* numpy_empty;  /* numpy.empty */
static PyObject* numpy_types;  /* a tuple: a dtype for each element type */
static PyObject* torch_type;   /* torch.Tensor, or NULL before torch is met */
static PyObject* torch_dtypes; /* a tuple: a dtype for each element type */
static PyObject* torch_refuse; /* raises where gradients are computed; called for what wants one */
static PyObject* torch_empty;  /* (shape, element) -> tensor */
static PyObject* meet_torch;   /* what tells us those */

static PyObject *str_dlpack, *str_requires_grad, *str_is_cpu, *str_dtype, *str_shape, *str_stride,
    *str_data_ptr;

/* ---- errors ---------------------------------------------------------------------------------- */

/* Raises volute.Error(message, rendered, diagnostics, status), or MemoryError; ends the error. */
static PyObject* raise_error(volute_error* error, volute_status status) {
  if (status == VOLUTE_OUT_OF_MEMORY) {
    PyErr_SetString(PyExc_MemoryError, volute_error_message(error));
    volute_error_free(error);
    return NULL;
  }
  PyObject* list = PyList_New(0);
  volute_diagnostic d;
  for (size_t i = 0; list && volute_error_at(error, i, &d); ++i) {
    PyObject* item = Py_BuildValue("(iisss)", d.line, d.column, d.subject, d.message, d.hint);
    if (!item || PyList_Append(list, item)) Py_CLEAR(list);
    Py_XDECREF(item);
  }
  if (list) {
    PyObject* value = PyObject_CallFunction(error_type, "ssNi", volute_error_message(error),
                                            volute_error_render(error), list, (int)status);
    if (value) {
      PyErr_SetObject(error_type, value);
      Py_DECREF(value);
    }
  }
  volute_error_free(error);
  return NULL;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

enum { most_axes = 8 }; /* tensors of the language have 5, and a few more where axes are split */

/* An array as it was given. */
typedef struct {
  Py_buffer view;    /* where it came by the buffer protocol */
  PyObject* capsule; /* where it came by DLPack */
  void* data;
  int32_t rank;
  int element; /* volute_element, or -1: two bytes of no type, which may be bf16 */
  int is_torch;
  int64_t shape[most_axes], strides[most_axes]; /* in elements */
} Array;

static void release(Array* array) {
  if (array->view.obj) PyBuffer_Release(&array->view);
  Py_CLEAR(array->capsule); /* whose destructor ends the tensor, as its name was not changed */
}

static int element_of_format(const char* format, Py_ssize_t size) {
  if (!format) return VOLUTE_U8;
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  if (*format == 0 || format[1] != 0) return -2;
  switch (*format) {
  case 'f': return VOLUTE_F32;
  case 'd': return VOLUTE_F64;
  case 'e': return VOLUTE_F16;
  case 'b': return VOLUTE_I8;
  case 'B': return VOLUTE_U8;
  case 'H': return -1;
  case 'i':
  case 'l':
  case 'q': return size == 8 ? VOLUTE_I64 : size == 4 ? VOLUTE_I32 : -2;
  default: return -2;
  }
}

static int element_of_dlpack(const DLTensor* t) {
  if (t->lanes != 1) return -2;
  if (t->code == dl_bfloat && t->bits == 16) return VOLUTE_BF16;
  if (t->code == dl_float)
    return t->bits == 32   ? VOLUTE_F32
           : t->bits == 64 ? VOLUTE_F64
           : t->bits == 16 ? VOLUTE_F16
                           : -2;
  if (t->code == dl_int)
    return t->bits == 8 ? VOLUTE_I8 : t->bits == 32 ? VOLUTE_I32 : t->bits == 64 ? VOLUTE_I64 : -2;
  if (t->code == dl_uint) return t->bits == 8 ? VOLUTE_U8 : t->bits == 16 ? -1 : -2;
  return -2;
}

static int too_many_axes(Py_ssize_t rank) {
  PyErr_Format(PyExc_ValueError, "an array of %zd axes, and tensors have at most %d", rank,
               (int)most_axes);
  return -1;
}

static int is_torch_tensor(PyObject* object) {
  return torch_type && PyType_IsSubtype(Py_TYPE(object), (PyTypeObject*)torch_type);
}

/* Whether it is, of an object of a type that is defined in torch before we have met that. */
static int is_first_torch_tensor(PyObject* object) {
  if (torch_type || !meet_torch) return 0;
  PyObject* module = PyObject_GetAttrString((PyObject*)Py_TYPE(object), "__module__");
  const char* name =
      module && PyUnicode_Check(module) ? PyUnicode_AsUTF8AndSize(module, NULL) : NULL;
  const int is_torch = name && strncmp(name, "torch", 5) == 0;
  PyErr_Clear();
  Py_XDECREF(module);
  if (!is_torch) return 0;
  PyObject* met = PyObject_CallNoArgs(meet_torch);
  Py_XDECREF(met);
  PyErr_Clear(); /* it comes by __dlpack__ then */
  return is_torch_tensor(object);
}

static int is_not_on_cpu(void) {
  PyErr_SetString(PyExc_RuntimeError,
                  "the array is not in the CPU's memory, where Volute computes");
  return -1;
}

/* Whether an attribute is true; -1 with an exception set where there is none. */
static int is_true(PyObject* object, PyObject* name) {
  PyObject* value = PyObject_GetAttr(object, name);
  const int truth = value ? PyObject_IsTrue(value) : -1;
  Py_XDECREF(value);
  return truth;
}

/* Numbers of a tuple; ends it. */
static int read_tuple(PyObject* tuple, int64_t* numbers, int32_t count) {
  if (!tuple) return -1;
  for (int32_t i = 0; i < count; ++i) {
    PyObject* item = PyTuple_GetItem(tuple, i);
    numbers[i] = item ? PyLong_AsLongLong(item) : -1;
  }
  Py_DECREF(tuple);
  return PyErr_Occurred() ? -1 : 0;
}

/* A tensor of torch's, by its attributes: half of what its DLPack costs. */
static int read_torch(PyObject* object, Array* array) {
  array->is_torch = 1;
  const int wants_gradient = is_true(object, str_requires_grad);
  if (wants_gradient < 0) return -1;
  if (wants_gradient) {
    PyObject* allowed = PyObject_CallNoArgs(torch_refuse);
    if (!allowed) return -1;
    Py_DECREF(allowed);
  }
  const int on_cpu = is_true(object, str_is_cpu);
  if (on_cpu <= 0) return on_cpu < 0 ? -1 : is_not_on_cpu();
  PyObject* dtype = PyObject_GetAttr(object, str_dtype);
  if (!dtype) return -1;
  array->element = -2;
  for (int i = 0; i <= VOLUTE_I64; ++i)
    if (PyTuple_GetItem(torch_dtypes, i) == dtype) array->element = i;
  Py_DECREF(dtype);
  PyObject* shape = PyObject_GetAttr(object, str_shape);
  if (!shape) return -1;
  const Py_ssize_t rank = PyTuple_Size(shape);
  if (rank < 0 || rank > most_axes) {
    Py_DECREF(shape);
    return rank < 0 ? -1 : too_many_axes(rank);
  }
  array->rank = (int32_t)rank;
  if (read_tuple(shape, array->shape, array->rank)) return -1;
  PyObject* strides = PyObject_CallMethodObjArgs(object, str_stride, NULL);
  if (read_tuple(strides, array->strides, array->rank)) return -1;
  PyObject* address = PyObject_CallMethodObjArgs(object, str_data_ptr, NULL);
  if (!address) return -1;
  array->data = PyLong_AsVoidPtr(address);
  Py_DECREF(address);
  return PyErr_Occurred() ? -1 : 0;
}

static int read_dlpack(PyObject* object, Array* array) {
  array->capsule = PyObject_CallMethodObjArgs(object, str_dlpack, NULL);
  if (!array->capsule) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
      PyErr_Clear();
      PyErr_Format(PyExc_TypeError,
                   "expected an array (NumPy, torch, DLPack or the buffer protocol), not %R",
                   (PyObject*)Py_TYPE(object));
    }
    return -1;
  }
  const DLTensor* t = (const DLTensor*)PyCapsule_GetPointer(array->capsule, "dltensor");
  if (!t) return -1;
  if (t->device_type != dl_cpu && t->device_type != dl_cuda_host) return is_not_on_cpu();
  if (t->ndim > most_axes) return too_many_axes(t->ndim);
  array->element = element_of_dlpack(t);
  array->rank = t->ndim;
  array->data = (char*)t->data + t->byte_offset;
  int64_t dense = 1;
  for (int i = t->ndim - 1; i >= 0; --i) {
    array->shape[i] = t->shape[i];
    array->strides[i] = t->strides ? t->strides[i] : dense;
    dense *= t->shape[i];
  }
  return 0;
}

static int read_buffer(PyObject* object, int writable, Array* array) {
  const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object, &array->view, flags)) {
    array->view.obj = NULL;
    return -1;
  }
  const Py_buffer* view = &array->view;
  if (view->ndim > most_axes) return too_many_axes(view->ndim);
  array->element = element_of_format(view->format, view->itemsize);
  array->rank = view->ndim;
  array->data = view->buf;
  int64_t dense = 1;
  for (int i = view->ndim - 1; i >= 0; --i) {
    array->shape[i] = view->shape[i];
    array->strides[i] = dense; /* ctypes gives no strides, whatever it is asked for */
    dense *= view->shape[i];
    if (!view->strides) continue;
    if (view->strides[i] % view->itemsize != 0 && view->shape[i] > 1) {
      PyErr_SetString(PyExc_ValueError, "the array's strides are no multiples of its elements");
      return -1;
    }
    array->strides[i] = view->strides[i] / view->itemsize;
  }
  return 0;
}

/* Reads an array. On failure an exception is set; release() is due either way. */
static int read_array(PyObject* object, int writable, Array* array) {
  array->view.obj = NULL;
  array->capsule = NULL;
  array->is_torch = 0;
  const int failed = is_torch_tensor(object)         ? read_torch(object, array)
                     : PyObject_CheckBuffer(object)  ? read_buffer(object, writable, array)
                     : is_first_torch_tensor(object) ? read_torch(object, array)
                                                     : read_dlpack(object, array);
  if (failed) return -1;
  if (array->element == -2) {
    PyErr_SetString(PyExc_TypeError,
                    "expected elements of float32, float64, float16, bfloat16, int8, uint8, int32 "
                    "or int64, in the machine's byte order");
    return -1;
  }
  return 0;
}

/* ---- handles --------------------------------------------------------------------------------- */

typedef struct {
  PyObject_HEAD volute_session* handle;
} SessionObject;

typedef struct {
  PyObject_HEAD volute_program* handle;
} ProgramObject;

/* What is known of an argument of a kernel's. */
typedef struct {
  const char* name;
  volute_tensor type;
  int order[most_axes]; /* the array's axis that is each of the type's extents; -1: it has none, and
                           the extent is 1, as n is of one image */
  int32_t array_rank;
  PyObject* shape;     /* of an output's array: as it lies in memory */
  PyObject* transpose; /* of an output whose order is another: what turns it back; else NULL */
} Argument;

typedef struct {
  PyObject_HEAD volute_kernel* handle;
  Py_ssize_t count, inputs;
  Argument* arguments;
} KernelObject;

static PyObject* session_type;
static PyObject* program_type;
static PyObject* kernel_type;

static void free_object(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  freefunc end = (freefunc)PyType_GetSlot(type, Py_tp_free);
  end(self);
  Py_DECREF(type);
}

static PyObject* new_object(PyTypeObject* type) {
  allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  return make(type, 0);
}

/* A list of (name, value) as the C interface takes it; the strings are those of the list. NULL with
 * an exception set. */
static volute_option* options_in(PyObject* list) {
  const Py_ssize_t count = PySequence_Size(list);
  if (count < 0) return NULL;
  volute_option* options = PyMem_Malloc((size_t)(count + 1) * sizeof *options);
  if (!options) return (volute_option*)PyErr_NoMemory();
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* pair = PyList_GetItem(list, i);
    PyObject* name = pair ? PyTuple_GetItem(pair, 0) : NULL;
    PyObject* value = pair ? PyTuple_GetItem(pair, 1) : NULL;
    options[i].name = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    options[i].value = value ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
    if (!options[i].name || !options[i].value) {
      PyMem_Free(options);
      return NULL;
    }
  }
  options[count].name = options[count].value = NULL;
  return options;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static PyObject* session_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject* list;
  (void)kwargs;
  if (!PyArg_ParseTuple(args, "O!:Session", &PyList_Type, &list)) return NULL;
  volute_option* options = options_in(list);
  if (!options) return NULL;
  SessionObject* self = (SessionObject*)new_object(type);
  if (self) {
    volute_error* error = NULL;
    const volute_status status = volute_session_create(options, &self->handle, &error);
    if (status) {
      Py_CLEAR(self);
      raise_error(error, status);
    }
  }
  PyMem_Free(options);
  return (PyObject*)self;
}

static void session_dealloc(PyObject* self) {
  volute_session* handle = ((SessionObject*)self)->handle;
  Py_BEGIN_ALLOW_THREADS volute_session_free(handle); /* which ends threads, where it has some */
  Py_END_ALLOW_THREADS free_object(self);
}

static PyObject* session_clear_cache(PyObject* self, PyObject* unused) {
  (void)unused;
  volute_session_clear_cache(((SessionObject*)self)->handle);
  Py_RETURN_NONE;
}

/* ---- programs -------------------------------------------------------------------------------- */

static PyObject* program_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const char *text, *name, *folder, *entry;
  (void)kwargs;
  if (!PyArg_ParseTuple(args, "szzz:Program", &text, &name, &folder, &entry)) return NULL;
  ProgramObject* self = (ProgramObject*)new_object(type);
  if (!self) return NULL;
  volute_error* error = NULL;
  const volute_status status =
      entry ? volute_program_parse_entry(text, name, folder, entry, &self->handle, &error)
            : volute_program_parse(text, name, folder, &self->handle, &error);
  if (status) {
    Py_DECREF(self);
    return raise_error(error, status);
  }
  return (PyObject*)self;
}

static void program_dealloc(PyObject* self) {
  volute_program_free(((ProgramObject*)self)->handle);
  free_object(self);
}

static PyObject* program_name(PyObject* self, void* unused) {
  (void)unused;
  return PyUnicode_FromString(volute_program_name(((ProgramObject*)self)->handle));
}

static PyObject* string_of(char* text) {
  if (!text) return PyErr_NoMemory();
  PyObject* string = PyUnicode_FromString(text);
  volute_string_free(text);
  return string;
}

static PyObject* program_text(PyObject* self, void* unused) {
  (void)unused;
  return string_of(volute_program_text(((ProgramObject*)self)->handle));
}

/* inspect(session, program, options, stage) -> str */
static PyObject* inspect(PyObject* module, PyObject* args) {
  PyObject *session, *program, *list;
  const char* stage;
  (void)module;
  if (!PyArg_ParseTuple(args, "O!O!O!s:inspect", session_type, &session, program_type, &program,
                        &PyList_Type, &list, &stage))
    return NULL;
  volute_option* options = options_in(list);
  if (!options) return NULL;
  char* text = NULL;
  volute_error* error = NULL;
  volute_status status;
  Py_BEGIN_ALLOW_THREADS status =
      volute_inspect(((SessionObject*)session)->handle, ((ProgramObject*)program)->handle, options,
                     stage, &text, &error);
  Py_END_ALLOW_THREADS PyMem_Free(options);
  return status ? raise_error(error, status) : string_of(text);
}

/* ---- kernels --------------------------------------------------------------------------------- */

static void kernel_dealloc(PyObject* object) {
  KernelObject* self = (KernelObject*)object;
  for (Py_ssize_t i = 0; self->arguments && i < self->count; ++i) {
    Py_XDECREF(self->arguments[i].shape);
    Py_XDECREF(self->arguments[i].transpose);
  }
  PyMem_Free(self->arguments);
  volute_kernel_free(self->handle);
  free_object(object);
}

/* What an output's array is made of, when its order is known. */
static int describe_output(Argument* argument) {
  int plain = 1;
  int32_t place = 0;
  PyObject* shape = PyTuple_New(argument->array_rank);
  PyObject* transpose = PyTuple_New(argument->array_rank);
  if (!shape || !transpose) goto failed;
  for (int32_t i = 0; i < argument->type.rank; ++i) {
    const int axis = argument->order[i];
    if (axis < 0) continue;
    PyObject* size = PyLong_FromLongLong(argument->type.extents[i].size);
    if (!size || PyTuple_SetItem(shape, place, size)) goto failed;
    PyObject* number = PyLong_FromLong(place);
    if (!number || PyTuple_SetItem(transpose, axis, number)) goto failed;
    plain = plain && axis == place;
    ++place;
  }
  if (plain) Py_CLEAR(transpose);
  Py_XDECREF(argument->shape);
  Py_XDECREF(argument->transpose);
  argument->shape = shape;
  argument->transpose = transpose;
  return 0;
failed:
  Py_XDECREF(shape);
  Py_XDECREF(transpose);
  return -1;
}

/* Reads off the handle what each call needs to know. */
static int describe(KernelObject* self) {
  self->count = (Py_ssize_t)volute_kernel_arguments(self->handle);
  self->inputs = (Py_ssize_t)volute_kernel_inputs(self->handle);
  self->arguments = PyMem_Calloc((size_t)self->count, sizeof *self->arguments);
  if (!self->arguments) {
    PyErr_NoMemory();
    return -1;
  }
  for (Py_ssize_t i = 0; i < self->count; ++i) {
    Argument* argument = &self->arguments[i];
    volute_kernel_argument(self->handle, (size_t)i, &argument->name, &argument->type);
    if (argument->type.rank > most_axes) return too_many_axes(argument->type.rank);
    for (int axis = 0; axis < argument->type.rank; ++axis) argument->order[axis] = axis;
    argument->array_rank = argument->type.rank;
    if (i >= self->inputs && describe_output(argument)) return -1;
  }
  return 0;
}

/* Has a program compiled by a thread of the library's, without the GIL, and looks for signals
 * meanwhile: Ctrl-C gives the compile up. A status, or -1 with an exception of Python's set. */
static volute_status compile(volute_session* session, const volute_program* program,
                             const volute_option* options, volute_kernel** kernel,
                             volute_error** error) {
  volute_pending* pending = NULL;
  volute_status status = volute_compile_async(session, program, options, &pending, error);
  if (status) return status;
  int is_ready = 0, interrupted = 0;
  while (!is_ready && !interrupted) {
    Py_BEGIN_ALLOW_THREADS is_ready = volute_pending_wait(pending, 0.02);
    Py_END_ALLOW_THREADS interrupted = !is_ready && PyErr_CheckSignals();
  }
  if (interrupted) {
    volute_pending_cancel(pending);
    status = -1;
  } else {
    status = volute_pending_kernel(pending, kernel, error);
  }
  volute_pending_free(pending);
  return status;
}

/* Kernel(session, program, options, tiered) */
static PyObject* kernel_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  PyObject *session, *program, *list;
  int tiered;
  (void)kwargs;
  if (!PyArg_ParseTuple(args, "O!O!O!p:Kernel", session_type, &session, program_type, &program,
                        &PyList_Type, &list, &tiered))
    return NULL;
  volute_option* options = options_in(list);
  if (!options) return NULL;
  volute_kernel* handle = NULL;
  volute_error* error = NULL;
  volute_session* in = ((SessionObject*)session)->handle;
  const volute_program* of = ((ProgramObject*)program)->handle;
  volute_status status;
  if (tiered) {
    Py_BEGIN_ALLOW_THREADS status = volute_compile_tiered(in, of, options, &handle, &error);
    Py_END_ALLOW_THREADS
  } else {
    status = compile(in, of, options, &handle, &error);
  }
  PyMem_Free(options);
  if (status == -1) return NULL;
  if (status) return raise_error(error, status);
  KernelObject* self = (KernelObject*)new_object(type);
  if (!self) {
    volute_kernel_free(handle);
    return NULL;
  }
  self->handle = handle;
  if (describe(self)) Py_CLEAR(self);
  return (PyObject*)self;
}

/* "layer: %x is f32[n=1, c=2, w=5], not an array of 3 axes" */
static int wrong_rank(const KernelObject* self, const Argument* argument, const Array* array) {
  char* type = volute_tensor_type(&argument->type);
  PyErr_Format(error_type, "%s: %%%s is %s, not an array of %d axes",
               volute_kernel_name(self->handle), argument->name, type ? type : "a tensor",
               (int)array->rank);
  volute_string_free(type);
  return -1;
}

/* The array as the kernel takes it: axes in the order of the argument's type, into memory that the
 * caller has. */
static int as_tensor(const KernelObject* self, const Argument* argument, const Array* array,
                     int writable, volute_extent* extents, int64_t* strides,
                     volute_tensor* tensor) {
  if (array->rank != argument->array_rank) return wrong_rank(self, argument, array);
  for (int i = 0; i < argument->type.rank; ++i) {
    const int axis = argument->order[i];
    extents[i].axis = argument->type.extents[i].axis;
    extents[i].size = axis < 0 ? 1 : array->shape[axis];
    strides[i] = axis < 0 ? 0 : array->strides[axis];
  }
  int element = array->element;
  if (element == -1) {
    if (argument->type.element != VOLUTE_BF16) {
      PyErr_Format(error_type, "%s: %%%s takes no elements of two bytes without a sign",
                   volute_kernel_name(self->handle), argument->name);
      return -1;
    }
    element = VOLUTE_BF16;
  }
  tensor->data = array->data;
  tensor->extents = extents;
  tensor->strides = strides;
  tensor->rank = argument->type.rank;
  tensor->element = (volute_element)element;
  tensor->writable = writable != 0;
  return 0;
}

/* A new array for an output, of NumPy's or of torch's. */
static PyObject* make_output(const Argument* argument, int of_torch) {
  if (argument->type.strides) {
    PyErr_Format(error_type, "%%%s is not dense: its array has to be given", argument->name);
    return NULL;
  }
  PyObject* made;
  if (of_torch) {
    made = PyObject_CallFunction(torch_empty, "Oi", argument->shape, (int)argument->type.element);
  } else {
    PyObject* type = PyTuple_GetItem(numpy_types, argument->type.element);
    made = PyObject_CallFunctionObjArgs(numpy_empty, argument->shape, type, NULL);
  }
  return made;
}

enum { few = 8 }; /* arguments that need no memory of their own */

typedef struct {
  Array array;
  volute_extent extents[most_axes];
  int64_t strides[most_axes];
} Slot;

/* Reads arrays of a tuple into the first slots. All `slots` are to be released, whatever comes. */
static int read_inputs(PyObject* arrays, Py_ssize_t count, Slot* slots, Py_ssize_t all) {
  for (Py_ssize_t i = 0; i < all; ++i) {
    slots[i].array.view.obj = NULL;
    slots[i].array.capsule = NULL;
  }
  for (Py_ssize_t i = 0; i < count; ++i)
    if (read_array(PyTuple_GetItem(arrays, i), 0, &slots[i].array)) return -1;
  return 0;
}

static void release_all(Slot* slots, Py_ssize_t all) {
  for (Py_ssize_t i = 0; i < all; ++i) release(&slots[i].array);
}

/* Calls a kernel: `arrays` are its inputs, read already; `outputs` NULL or a sequence of as many as
 * it has. Gives the outputs: one, or a tuple of several. */
static PyObject* call_kernel(KernelObject* self, Slot* slots, volute_tensor* tensors,
                             PyObject* const* given) {
  const Py_ssize_t outputs = self->count - self->inputs;
  PyObject* results = PyTuple_New(outputs);
  if (!results) return NULL;
  int of_torch = 0;
  for (Py_ssize_t i = 0; i < self->inputs; ++i) {
    if (as_tensor(self, &self->arguments[i], &slots[i].array, 0, slots[i].extents, slots[i].strides,
                  &tensors[i]))
      goto failed;
    of_torch = of_torch || slots[i].array.is_torch;
  }
  for (Py_ssize_t i = self->inputs; i < self->count; ++i) {
    const Argument* argument = &self->arguments[i];
    PyObject* output;
    int failed;
    if (given) {
      output = given[i - self->inputs];
      Py_INCREF(output);
      failed = read_array(output, 1, &slots[i].array) ||
               as_tensor(self, argument, &slots[i].array, 1, slots[i].extents, slots[i].strides,
                         &tensors[i]);
    } else {
      /* A new array lies as the type does: its address is all there is to be read. */
      output = make_output(argument, of_torch);
      failed = !output || read_array(output, 1, &slots[i].array);
      tensors[i] = argument->type;
      tensors[i].data = slots[i].array.data;
      tensors[i].writable = true;
      if (!failed && argument->transpose) {
        PyObject* turned = PyObject_CallMethod(output, of_torch ? "permute" : "transpose", "O",
                                               argument->transpose);
        failed = !turned;
        Py_DECREF(output);
        output = turned;
      }
    }
    if (failed) {
      Py_XDECREF(output);
      goto failed;
    }
    PyTuple_SetItem(results, i - self->inputs, output);
  }
  volute_error* error = NULL;
  volute_status status;
  Py_BEGIN_ALLOW_THREADS status =
      volute_kernel_call(self->handle, tensors, (size_t)self->count, &error);
  Py_END_ALLOW_THREADS if (status) {
    Py_DECREF(results);
    return raise_error(error, status);
  }
  if (outputs != 1) return results;
  PyObject* one = PyTuple_GetItem(results, 0);
  Py_INCREF(one);
  Py_DECREF(results);
  return one;
failed:
  Py_DECREF(results);
  return NULL;
}

static PyObject* wrong_count(const KernelObject* self, Py_ssize_t given) {
  const Py_ssize_t outputs = self->count - self->inputs;
  PyErr_Format(PyExc_TypeError,
               "%s takes %zd input%s, and may be given %zd output%s behind; %zd argument%s given",
               volute_kernel_name(self->handle), self->inputs, self->inputs == 1 ? "" : "s",
               outputs, outputs == 1 ? "" : "s", given, given == 1 ? " was" : "s were");
  return NULL;
}

/* kernel(inputs...) makes the outputs; kernel(inputs..., outputs...) writes them. */
static PyObject* kernel_call(PyObject* object, PyObject* args, PyObject* kwargs) {
  KernelObject* self = (KernelObject*)object;
  const Py_ssize_t given = PyTuple_Size(args);
  if (kwargs && PyDict_Size(kwargs) > 0) {
    PyErr_Format(PyExc_TypeError, "%s takes arrays by position; kernel.run takes them by name",
                 volute_kernel_name(self->handle));
    return NULL;
  }
  if (given != self->inputs && given != self->count) return wrong_count(self, given);
  Slot own_slots[few];
  volute_tensor own_tensors[few];
  PyObject* own_outputs[few];
  Slot* slots = own_slots;
  volute_tensor* tensors = own_tensors;
  PyObject** outputs = own_outputs;
  if (self->count > few) {
    slots = PyMem_Calloc((size_t)self->count, sizeof *slots);
    tensors = PyMem_Calloc((size_t)self->count, sizeof *tensors);
    outputs = PyMem_Calloc((size_t)self->count, sizeof *outputs);
  }
  PyObject* result = NULL;
  if (!slots || !tensors || !outputs) {
    PyErr_NoMemory();
  } else {
    for (Py_ssize_t i = self->inputs; i < given; ++i)
      outputs[i - self->inputs] = PyTuple_GetItem(args, i);
    if (!read_inputs(args, self->inputs, slots, self->count))
      result = call_kernel(self, slots, tensors, given > self->inputs ? outputs : NULL);
    release_all(slots, self->count);
  }
  if (slots != own_slots) PyMem_Free(slots);
  if (tensors != own_tensors) PyMem_Free(tensors);
  if (outputs != own_outputs) PyMem_Free(outputs);
  return result;
}

/* kernel._bind(name, array) -> a kernel of the same type */
static PyObject* kernel_bind(PyObject* object, PyObject* args) {
  KernelObject* self = (KernelObject*)object;
  const char* name;
  PyObject* value;
  if (!PyArg_ParseTuple(args, "sO:_bind", &name, &value)) return NULL;
  const Argument* argument = NULL;
  for (Py_ssize_t i = 0; i < self->inputs; ++i)
    if (strcmp(self->arguments[i].name, name) == 0) argument = &self->arguments[i];
  Slot slot;
  volute_tensor tensor;
  volute_kernel* bound = NULL;
  volute_error* error = NULL;
  volute_status status = VOLUTE_OK;
  KernelObject* made = NULL;
  if (read_array(value, 0, &slot.array)) goto done;
  if (argument) {
    if (as_tensor(self, argument, &slot.array, 0, slot.extents, slot.strides, &tensor)) goto done;
  } else { /* the refusal says which inputs there are */
    memset(&tensor, 0, sizeof tensor);
  }
  Py_BEGIN_ALLOW_THREADS status = volute_kernel_bind(self->handle, name, &tensor, &bound, &error);
  Py_END_ALLOW_THREADS if (status) {
    raise_error(error, status);
    goto done;
  }
  made = (KernelObject*)new_object(Py_TYPE(object));
  if (!made) {
    volute_kernel_free(bound);
    goto done;
  }
  made->handle = bound;
  if (describe(made)) {
    Py_CLEAR(made);
    goto done;
  }
  /* The orders of what is left. */
  for (Py_ssize_t i = 0; i < made->count; ++i)
    for (Py_ssize_t j = 0; j < self->count; ++j)
      if (strcmp(made->arguments[i].name, self->arguments[j].name) == 0) {
        memcpy(made->arguments[i].order, self->arguments[j].order, sizeof made->arguments[i].order);
        made->arguments[i].array_rank = self->arguments[j].array_rank;
      }
  for (Py_ssize_t i = made->inputs; i < made->count; ++i)
    if (describe_output(&made->arguments[i])) {
      Py_CLEAR(made);
      break;
    }
done:
  release(&slot.array);
  return (PyObject*)made;
}

/* kernel._set_orders([(axis, ...), ...]): for each argument, the array's axis that is each of its
 * type's extents, or -1. */
static PyObject* kernel_set_orders(PyObject* object, PyObject* orders) {
  KernelObject* self = (KernelObject*)object;
  for (Py_ssize_t i = 0; i < self->count; ++i) {
    Argument* argument = &self->arguments[i];
    PyObject* order = PyList_GetItem(orders, i);
    if (!order) return NULL;
    unsigned seen = 0;
    int32_t rank = 0;
    for (int axis = 0; axis < argument->type.rank; ++axis) {
      PyObject* item = PyTuple_GetItem(order, axis);
      const long place = item ? PyLong_AsLong(item) : -1;
      if (PyErr_Occurred()) return NULL;
      if (place < -1 || place >= argument->type.rank || (place >= 0 && seen >> place & 1)) {
        PyErr_SetString(PyExc_ValueError, "an order names each axis once");
        return NULL;
      }
      if (place >= 0) seen |= 1u << place, ++rank;
      argument->order[axis] = (int)place;
    }
    if (seen != (1u << rank) - 1) {
      PyErr_SetString(PyExc_ValueError, "an order leaves out an axis");
      return NULL;
    }
    argument->array_rank = rank;
    if (i >= self->inputs && describe_output(argument)) return NULL;
  }
  Py_RETURN_NONE;
}

static PyObject* names(const KernelObject* self, Py_ssize_t begin, Py_ssize_t end) {
  PyObject* list = PyList_New(0);
  for (Py_ssize_t i = begin; list && i < end; ++i) {
    PyObject* name = PyUnicode_FromString(self->arguments[i].name);
    if (!name || PyList_Append(list, name)) Py_CLEAR(list);
    Py_XDECREF(name);
  }
  return list;
}

static PyObject* kernel_inputs(PyObject* self, void* unused) {
  (void)unused;
  return names((KernelObject*)self, 0, ((KernelObject*)self)->inputs);
}

static PyObject* kernel_outputs(PyObject* self, void* unused) {
  (void)unused;
  return names((KernelObject*)self, ((KernelObject*)self)->inputs, ((KernelObject*)self)->count);
}

static PyObject* kernel_name(PyObject* self, void* unused) {
  (void)unused;
  return PyUnicode_FromString(volute_kernel_name(((KernelObject*)self)->handle));
}

static PyObject* kernel_type_of(PyObject* self, PyObject* name) {
  const char* text = PyUnicode_AsUTF8AndSize(name, NULL);
  volute_tensor tensor;
  if (!text) return NULL;
  if (!volute_kernel_argument_named(((KernelObject*)self)->handle, text, &tensor)) {
    PyErr_SetObject(PyExc_KeyError, name);
    return NULL;
  }
  return string_of(volute_tensor_type(&tensor));
}

/* kernel.final */
static PyObject* kernel_is_final(PyObject* self, void* unused) {
  (void)unused;
  return PyBool_FromLong(volute_kernel_wait(((KernelObject*)self)->handle, 0));
}

/* kernel._wait(seconds) -> whether it is final by then; raises what its compile has failed for */
static PyObject* kernel_wait(PyObject* self, PyObject* seconds) {
  volute_kernel *handle = ((KernelObject*)self)->handle, *good = NULL;
  volute_error* error = NULL;
  volute_status status = VOLUTE_OK;
  bool is_final;
  const double most = PyFloat_AsDouble(seconds);
  if (PyErr_Occurred()) return NULL;
  Py_BEGIN_ALLOW_THREADS is_final = volute_kernel_wait(handle, most);
  if (is_final) status = volute_kernel_final(handle, &good, &error);
  volute_kernel_free(good);
  Py_END_ALLOW_THREADS return status ? raise_error(error, status) : PyBool_FromLong(is_final);
}

static PyObject* kernel_cancel(PyObject* self, PyObject* unused) {
  (void)unused;
  volute_kernel_cancel(((KernelObject*)self)->handle);
  Py_RETURN_NONE;
}

#define BYTES_OF(what)                                                                             \
  static PyObject* kernel_##what(PyObject* self, void* unused) {                                   \
    (void)unused;                                                                                  \
    return PyLong_FromLongLong(volute_kernel_##what(((KernelObject*)self)->handle));               \
  }
BYTES_OF(workspace_bytes)
BYTES_OF(owned_bytes)
BYTES_OF(mapped_bytes)

/* ---- functions: a kernel for each configuration, found by what the arrays are ------------------
 */

/* call_cached(kernels, make, options, arrays, out) -> result
 *
 * `kernels` is a dict from (options, bytes that describe the arrays) to a kernel; where there is
 * none, make(key, options, arrays) gives it. `arrays` is a tuple, `out` the array of the result or
 * None. The bytes are, for each array, its element, rank, shape and strides. */
static PyObject* call_cached(PyObject* module, PyObject* args) {
  PyObject *kernels, *make, *options, *arrays, *out, *result = NULL;
  (void)module;
  if (!PyArg_ParseTuple(args, "O!OOO!O:call_cached", &PyDict_Type, &kernels, &make, &options,
                        &PyTuple_Type, &arrays, &out))
    return NULL;
  const Py_ssize_t count = PyTuple_Size(arrays);
  if (count > few - 2) {
    PyErr_SetString(PyExc_ValueError, "too many arrays");
    return NULL;
  }
  Slot slots[few];
  volute_tensor tensors[few];
  int64_t words[few * (2 * most_axes + 2)];
  size_t used = 0;
  PyObject* kernel = NULL;
  if (read_inputs(arrays, count, slots, few)) goto done;
  for (Py_ssize_t i = 0; i < count; ++i) {
    const Array* array = &slots[i].array;
    words[used++] = array->element;
    words[used++] = array->rank;
    for (int axis = 0; axis < array->rank; ++axis) words[used++] = array->shape[axis];
    for (int axis = 0; axis < array->rank; ++axis)
      words[used++] = array->shape[axis] > 1 ? array->strides[axis] : 0;
  }
  PyObject* described = PyBytes_FromStringAndSize((const char*)words, (Py_ssize_t)(used * 8));
  PyObject* key = described ? PyTuple_Pack(2, options, described) : NULL;
  Py_XDECREF(described);
  if (!key) goto done;
  kernel = PyDict_GetItemWithError(kernels, key);
  if (kernel)
    Py_INCREF(kernel); /* somebody may empty the dict meanwhile */
  else if (!PyErr_Occurred())
    kernel = PyObject_CallFunctionObjArgs(make, key, options, arrays, NULL);
  Py_DECREF(key);
  if (!kernel) goto done;
  if (!PyType_IsSubtype(Py_TYPE(kernel), (PyTypeObject*)kernel_type) ||
      ((KernelObject*)kernel)->inputs != count || ((KernelObject*)kernel)->count > few) {
    PyErr_SetString(PyExc_RuntimeError, "a kernel that is not this function's");
    goto done;
  }
  result = call_kernel((KernelObject*)kernel, slots, tensors, out == Py_None ? NULL : &out);
done:
  Py_XDECREF(kernel);
  release_all(slots, few);
  return result;
}

/* describe(array) -> (element, shape, strides in elements), as call_cached sees it */
static PyObject* describe_array(PyObject* module, PyObject* object) {
  Array array;
  PyObject* result = NULL;
  (void)module;
  if (!read_array(object, 0, &array)) {
    PyObject* shape = PyTuple_New(array.rank);
    PyObject* strides = PyTuple_New(array.rank);
    int failed = !shape || !strides;
    for (int i = 0; !failed && i < array.rank; ++i) {
      PyObject* size = PyLong_FromLongLong(array.shape[i]);
      PyObject* stride = PyLong_FromLongLong(array.strides[i]);
      failed = !size || !stride;
      if (size) PyTuple_SetItem(shape, i, size);
      if (stride) PyTuple_SetItem(strides, i, stride);
    }
    if (!failed) result = Py_BuildValue("(iOO)", array.element, shape, strides);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
  }
  release(&array);
  return result;
}

/* ---- the module ------------------------------------------------------------------------------ */

static void replace(PyObject** place, PyObject* value) {
  PyObject* old = *place;
  Py_XINCREF(value);
  *place = value;
  Py_XDECREF(old);
}

/* _set_error(type), _set_numpy(empty, dtypes), _set_torch(type, dtypes, refuse, empty) and
 * _set_meet_torch(callable, which calls _set_torch) */
static PyObject* set_error(PyObject* module, PyObject* type) {
  (void)module;
  replace(&error_type, type);
  Py_RETURN_NONE;
}

static PyObject* set_numpy(PyObject* module, PyObject* args) {
  PyObject *empty, *types;
  (void)module;
  if (!PyArg_ParseTuple(args, "OO!:_set_numpy", &empty, &PyTuple_Type, &types)) return NULL;
  replace(&numpy_empty, empty);
  replace(&numpy_types, types);
  Py_RETURN_NONE;
}

static PyObject* set_torch(PyObject* module, PyObject* args) {
  PyObject *type, *dtypes, *refuse, *empty;
  (void)module;
  if (!PyArg_ParseTuple(args, "O!O!OO:_set_torch", &PyType_Type, &type, &PyTuple_Type, &dtypes,
                        &refuse, &empty))
    return NULL;
  replace(&torch_dtypes, dtypes);
  replace(&torch_refuse, refuse);
  replace(&torch_empty, empty);
  replace(&torch_type, type);
  Py_RETURN_NONE;
}

static PyObject* set_meet_torch(PyObject* module, PyObject* callable) {
  (void)module;
  replace(&meet_torch, callable);
  Py_RETURN_NONE;
}

static PyMethodDef session_methods[] = {
    {"clear_cache", session_clear_cache, METH_NOARGS,
     "clear_cache()\n--\n\nLets go of every kernel that the session keeps and nobody else holds."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot session_slots[] = {{Py_tp_new, session_new},
                                      {Py_tp_dealloc, session_dealloc},
                                      {Py_tp_methods, session_methods},
                                      {0, NULL}};
static PyType_Spec session_spec = {"volute._volute.Session", sizeof(SessionObject), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, session_slots};

static PyGetSetDef program_members[] = {
    {"name", program_name, NULL, "Its name, without the @.", NULL},
    {"text", program_text, NULL, "Its text in canonical form.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot program_slots[] = {{Py_tp_new, program_new},
                                      {Py_tp_dealloc, program_dealloc},
                                      {Py_tp_getset, program_members},
                                      {0, NULL}};
static PyType_Spec program_spec = {"volute._volute.Program", sizeof(ProgramObject), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, program_slots};

static PyMethodDef kernel_methods[] = {{"_bind", kernel_bind, METH_VARARGS, NULL},
                                       {"_set_orders", kernel_set_orders, METH_O, NULL},
                                       {"_wait", kernel_wait, METH_O, NULL},
                                       {"cancel", kernel_cancel, METH_NOARGS,
                                        "cancel()\n--\n\nGives up the compile of a tiered kernel, "
                                        "and with it that of what it was bound from and what was "
                                        "bound from it: unless the good code is there, they stay "
                                        "without."},
                                       {"type", kernel_type_of, METH_O,
                                        "type(name)\n--\n\nType of an input, bound or not, or of "
                                        "an output, as the program text has it."},
                                       {NULL, NULL, 0, NULL}};
static PyGetSetDef kernel_members[] = {
    {"name", kernel_name, NULL, "Its program's name.", NULL},
    {"inputs", kernel_inputs, NULL, "Names of the inputs that are not bound, in order.", NULL},
    {"outputs", kernel_outputs, NULL, "Names of the outputs, in order.", NULL},
    {"final", kernel_is_final, NULL,
     "False while the good code of a tiered kernel is on its way; wait() says whether it came.",
     NULL},
    {"workspace_bytes", kernel_workspace_bytes, NULL,
     "Bytes that one call needs beside its arrays.", NULL},
    {"owned_bytes", kernel_owned_bytes, NULL,
     "Bytes of what is bound and what was computed of it, as far as calls read it.", NULL},
    {"mapped_bytes", kernel_mapped_bytes, NULL, "Bytes of code and constants.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};
static PyType_Slot kernel_slots[] = {
    {Py_tp_new, kernel_new},         {Py_tp_dealloc, kernel_dealloc}, {Py_tp_call, kernel_call},
    {Py_tp_methods, kernel_methods}, {Py_tp_getset, kernel_members},  {0, NULL}};
static PyType_Spec kernel_spec = {"volute._volute.Kernel", sizeof(KernelObject), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, kernel_slots};

static PyMethodDef functions[] = {{"inspect", inspect, METH_VARARGS, NULL},
                                  {"call_cached", call_cached, METH_VARARGS, NULL},
                                  {"describe", describe_array, METH_O, NULL},
                                  {"_set_error", set_error, METH_O, NULL},
                                  {"_set_numpy", set_numpy, METH_VARARGS, NULL},
                                  {"_set_torch", set_torch, METH_VARARGS, NULL},
                                  {"_set_meet_torch", set_meet_torch, METH_O, NULL},
                                  {NULL, NULL, 0, NULL}};

static int add_type(PyObject* module, PyType_Spec* spec, const char* name, PyObject** type) {
  *type = PyType_FromSpec(spec);
  return *type ? PyModule_AddObjectRef(module, name, *type) : -1;
}

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                        "_volute",
                                        "Volute's C interface; use volute.",
                                        -1,
                                        functions,
                                        NULL,
                                        NULL,
                                        NULL,
                                        NULL};

PyMODINIT_FUNC PyInit__volute(void) {
  PyObject* module = PyModule_Create(&definition);
  if (!module) return NULL;
  const struct {
    PyObject** string;
    const char* text;
  } strings[] = {{&str_dlpack, "__dlpack__"}, {&str_requires_grad, "requires_grad"},
                 {&str_is_cpu, "is_cpu"},     {&str_dtype, "dtype"},
                 {&str_shape, "shape"},       {&str_stride, "stride"},
                 {&str_data_ptr, "data_ptr"}};
  int failed = 0;
  for (size_t i = 0; i < sizeof strings / sizeof *strings; ++i)
    failed = failed || !(*strings[i].string = PyUnicode_InternFromString(strings[i].text));
  replace(&error_type, PyExc_RuntimeError);
  if (failed || add_type(module, &session_spec, "Session", &session_type) ||
      add_type(module, &program_spec, "Program", &program_type) ||
      add_type(module, &kernel_spec, "Kernel", &kernel_type) ||
      PyModule_AddStringConstant(module, "version", volute_version())) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
