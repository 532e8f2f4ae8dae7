#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "core/check.h"
#include "core/dims.h"
#include "core/tensor_impl.h"
#include "dlcore.h"
#include "dlcore/autograd.h"
#include "dlcore/module.h"
#include "dlcore/ops/creation.h"
#include "dlcore/ops/shape.h"
#include "dlcore/parallel.h"

struct dlcore_tensor {
  dlcore::Tensor value;
};
struct dlcore_model {
  std::unique_ptr<dlcore::nn::Sequential> net;
};

namespace dlcore {
namespace {

static_assert(DLCORE_FLOAT16 == static_cast<int>(DType::Float16) && DLCORE_BOOL == static_cast<int>(DType::Bool) &&
              DLCORE_INT64 == static_cast<int>(DType::Int64) && kNumDTypes == DLCORE_BOOL + 1);

thread_local char last_error[2048];  // no allocation: it also holds the news that memory has run out

dlcore_status fail_with_message(dlcore_status status, const char* message) noexcept {
  size_t length = std::min(std::strlen(message), sizeof last_error - 1);
  if (message[length])  // don't cut a character
    while (length > 0 && (message[length] & 0xC0) == 0x80) --length;
  std::memcpy(last_error, message, length);
  last_error[length] = '\0';
  return status;
}

// f's exceptions as statuses.
template <class F>
dlcore_status guarded(const F& f) noexcept {
  try {
    f();
    return DLCORE_OK;
  } catch (const OutOfMemoryError& e) {
    return fail_with_message(DLCORE_OUT_OF_MEMORY, e.what());
  } catch (const ValueError& e) {
    return fail_with_message(DLCORE_VALUE_ERROR, e.what());
  } catch (const TypeError& e) {
    return fail_with_message(DLCORE_TYPE_ERROR, e.what());
  } catch (const IndexError& e) {
    return fail_with_message(DLCORE_INDEX_ERROR, e.what());
  } catch (const NotImplementedError& e) {
    return fail_with_message(DLCORE_NOT_IMPLEMENTED, e.what());
  } catch (const std::bad_alloc&) {
    return fail_with_message(DLCORE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& e) {
    return fail_with_message(DLCORE_RUNTIME_ERROR, e.what());
  } catch (...) {
    return fail_with_message(DLCORE_RUNTIME_ERROR, "an exception of an unknown kind");
  }
}

template <class T>
T& given(T* pointer, const char* function, const char* argument) {
  DLCORE_CHECK(pointer, ValueError, function, ": ", argument, " must not be NULL");
  return *pointer;
}

size_t bytes_of(const Tensor& t) { return static_cast<size_t>(t.numel() * item_size(t.dtype())); }

}  // namespace
}  // namespace dlcore

using namespace dlcore;

const char* dlcore_version() { return DLCORE_VERSION; }
const char* dlcore_last_error() { return last_error; }

dlcore_status dlcore_set_num_threads(int32_t n) {
  return guarded([&] { set_num_threads(n); });
}

// ---- tensors

dlcore_status dlcore_tensor_create(dlcore_dtype dtype, int32_t ndim, const int64_t* shape, const void* data,
                                   dlcore_tensor** out) {
  return guarded([&] {
    const char* op = "dlcore_tensor_create";
    auto*& result = given(out, op, "out");
    DLCORE_CHECK(dtype >= 0 && dtype < kNumDTypes, ValueError, op, ": there is no dtype ", dtype);
    DLCORE_CHECK(ndim >= 0 && ndim <= kMaxDims, ValueError, op, ": ndim must be from 0 to ", kMaxDims, ", but got ",
                 ndim);
    DLCORE_CHECK(shape || ndim == 0, ValueError, op, ": shape must not be NULL");
    const IntSpan sizes(shape, static_cast<size_t>(ndim));
    for (const int64_t n : sizes) DLCORE_CHECK(n >= 0, ValueError, op, ": sizes must not be negative, but got ", sizes);
    const auto type = static_cast<DType>(dtype);
    auto handle = std::make_unique<dlcore_tensor>();
    handle->value = data ? empty(sizes, type) : zeros(sizes, type);
    if (const size_t bytes = bytes_of(handle->value); data && bytes) {
      const auto* first = static_cast<const unsigned char*>(data);
      DLCORE_CHECK(type != DType::Bool || std::all_of(first, first + bytes, [](unsigned char c) { return c <= 1; }),
                   ValueError, op, ": the bytes of a bool tensor must be 0 or 1");
      std::memcpy(handle->value.raw_data(), data, bytes);
    }
    result = handle.release();
  });
}

void dlcore_tensor_release(dlcore_tensor* tensor) { delete tensor; }

dlcore_status dlcore_tensor_dtype(const dlcore_tensor* tensor, dlcore_dtype* out) {
  return guarded([&] {
    const char* op = "dlcore_tensor_dtype";
    given(out, op, "out") = static_cast<dlcore_dtype>(given(tensor, op, "tensor").value.dtype());
  });
}

dlcore_status dlcore_tensor_ndim(const dlcore_tensor* tensor, int32_t* out) {
  return guarded([&] {
    const char* op = "dlcore_tensor_ndim";
    given(out, op, "out") = static_cast<int32_t>(given(tensor, op, "tensor").value.dim());
  });
}

dlcore_status dlcore_tensor_shape(const dlcore_tensor* tensor, int32_t ndim, int64_t* out) {
  return guarded([&] {
    const char* op = "dlcore_tensor_shape";
    const IntSpan sizes = given(tensor, op, "tensor").value.sizes();
    DLCORE_CHECK(ndim == sizes.size(), ValueError, op, ": the tensor has ", sizes.size(), " dimensions, but ndim is ",
                 ndim);
    if (ndim > 0) std::copy(sizes.begin(), sizes.end(), &given(out, op, "out"));
  });
}

dlcore_status dlcore_tensor_bytes(const dlcore_tensor* tensor, size_t* out) {
  return guarded([&] {
    const char* op = "dlcore_tensor_bytes";
    given(out, op, "out") = bytes_of(given(tensor, op, "tensor").value);
  });
}

dlcore_status dlcore_tensor_read(const dlcore_tensor* tensor, void* data, size_t bytes) {
  return guarded([&] {
    const char* op = "dlcore_tensor_read";
    const Tensor t = contiguous(given(tensor, op, "tensor").value);
    DLCORE_CHECK(bytes == bytes_of(t), ValueError, op, ": the tensor takes ", bytes_of(t), " bytes, but bytes is ",
                 bytes);
    DLCORE_CHECK(data || bytes == 0, ValueError, op, ": data must not be NULL");
    if (bytes) std::memcpy(data, t.raw_data(), bytes);
  });
}

// ---- models

dlcore_status dlcore_model_load(const char* path, dlcore_model** out) {
  return guarded([&] {
    const char* op = "dlcore_model_load";
    auto*& result = given(out, op, "out");
    auto handle = std::make_unique<dlcore_model>();
    handle->net.reset(new nn::Sequential(nn::Sequential::load(&given(path, op, "path"))));
    result = handle.release();
  });
}

dlcore_status dlcore_model_run(const dlcore_model* model, const dlcore_tensor* input, dlcore_tensor** out) {
  return guarded([&] {
    const char* op = "dlcore_model_run";
    auto*& result = given(out, op, "out");
    nn::Sequential& net = *given(model, op, "model").net;
    const Tensor& x = given(input, op, "input").value;
    const NoGrad no_grad;
    auto handle = std::make_unique<dlcore_tensor>();
    handle->value = contiguous(net(x));
    result = handle.release();
  });
}

void dlcore_model_release(dlcore_model* model) { delete model; }
