#include "dlcore/optim.h"

#include <cmath>

#include "core/launch.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {
namespace {

constexpr int64_t kChunk = 1 << 14;  // elements of one unit of parallel work

void check_list(const char* op, const char* what, const TensorList& list, const TensorList& params) {
  DLCORE_CHECK(list.size() == params.size(), ValueError, op, ": ", what, " must have one tensor for each of the ",
               params.size(), " params but got ", list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    DLCORE_CHECK(list[i].defined(), ValueError, op, ": ", what, "[", i, "] is missing");
    DLCORE_CHECK(list[i].sizes() == params[i].sizes(), RuntimeError, op, ": ", what, "[", i,
                 "] must have the parameter's shape; expected ", params[i].sizes(), " but got ", list[i].sizes());
    DLCORE_CHECK(list[i].dtype() == params[i].dtype(), RuntimeError, op, ": ", what, "[", i,
                 "] must have the parameter's dtype; expected ", name(params[i].dtype()), " but got ",
                 name(list[i].dtype()));
  }
}

constexpr size_t kGradient = 1;  // lists are the parameters, the gradients, and what is kept from step to step

// Every tensor's memory as a run of elements, in one order for a parameter and all that belongs to it: the tensor's own
// memory where they lie alike and without gaps, a contiguous copy that is written back otherwise.
class Runs {
 public:
  Runs(const char* op, std::initializer_list<std::pair<const char*, const TensorList&>> lists) : op_(op) {
    const TensorList& params = lists.begin()->second;
    for (size_t i = 0; i < params.size(); ++i)
      DLCORE_CHECK(params[i].defined() && is_floating(params[i].dtype()), TypeError, op, ": params[", i,
                   "] must be a floating point tensor");
    for (const auto& [what, list] : lists) {
      check_list(op, what, list, params);
      lists_.push_back(&list);
    }
    data_.resize(lists.size() * params.size());
    for (size_t i = 0; i < params.size(); ++i) flatten(i);
  }

  const TensorList& params() const { return *lists_[0]; }
  // Element `begin` of list `list`'s tensor i; null for a list that is not there.
  void* at(size_t list, size_t i, int64_t begin) const {
    if (list >= lists_.size()) return nullptr;
    return static_cast<char*>(data_[i * lists_.size() + list]) + begin * item_size(params()[i].dtype());
  }

  // Cuts the tensors of each dtype into pieces and chunks: make_piece(i, begin) is params[i]'s piece from element
  // `begin`, launch_step(dtype, pieces, chunks) takes the step. Afterwards the changes are written back and counted.
  template <class Piece, class MakePiece, class LaunchStep>
  void step(const MakePiece& make_piece, const LaunchStep& launch_step) {
    for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16}) {
      std::vector<Piece> pieces;
      std::vector<int64_t> chunks{0};
      int64_t waiting = 0, elements = 0;  // waiting: those of the chunk that is being filled
      const auto close_chunk = [&] {
        chunks.push_back(static_cast<int64_t>(pieces.size()));
        waiting = 0;
      };
      for (size_t i = 0; i < params().size(); ++i) {
        if (params()[i].dtype() != dtype) continue;
        const int64_t numel = params()[i].numel();
        for (int64_t begin = 0; begin < numel; begin += kChunk) {
          Piece piece = make_piece(i, begin);
          piece.n = std::min(kChunk, numel - begin);
          pieces.push_back(piece);
          if ((waiting += piece.n) >= kChunk) close_chunk();
        }
        elements += numel;
      }
      if (waiting > 0) close_chunk();
      if (elements == 0) continue;
      const auto n = static_cast<double>(elements), lists = static_cast<double>(lists_.size());
      launch(op_, {(2 * lists - 1) * n * static_cast<double>(item_size(dtype)), 6 * lists * n},
             [&] { launch_step(dtype, pieces.data(), chunks.data(), static_cast<int64_t>(chunks.size()) - 1); });
    }
    for (const auto& [to, from] : copies_) copy_data(to, from);
    for (size_t l = 0; l < lists_.size(); ++l)
      for (size_t i = 0; i < params().size() && l != kGradient; ++i) (*lists_[l])[i].impl()->bump_version();
  }

 private:
  void flatten(size_t i) {
    const TensorImpl& p = *params()[i].impl();
    bool alike = is_dense(p);
    for (const TensorList* list : lists_) alike = alike && (*list)[i].impl()->strides == p.strides;
    for (size_t l = 0; l < lists_.size(); ++l) {
      const Tensor& x = (*lists_[l])[i];
      if (l != kGradient) check_inplace(op_, x);
      Tensor run = alike ? x : contiguous(x);
      data_[i * lists_.size() + l] = run.raw_data();
      if (!run.is_same(x)) {
        l == kGradient ? kept_.push_back(run) : copies_.push_back({x, run});
      }
    }
  }

  const char* op_;
  std::vector<const TensorList*> lists_;
  std::vector<void*> data_;  // of params[0]: one a list; of params[1]: ...
  std::vector<std::pair<Tensor, Tensor>> copies_;
  TensorList kept_;
};

}  // namespace

void sgd_step(const TensorList& params, const TensorList& grads, const TensorList& momentum_buffers, double lr,
              double momentum, double dampening, double weight_decay, bool nesterov, bool maximize, bool first_step) {
  const NoGrad no_grad;
  Runs runs = momentum == 0
                  ? Runs("sgd_step", {{"params", params}, {"grads", grads}})
                  : Runs("sgd_step", {{"params", params}, {"grads", grads}, {"momentum_buffers", momentum_buffers}});
  runs.step<kernel::SgdPiece>(
      [&](size_t i, int64_t begin) {
        return kernel::SgdPiece{runs.at(0, i, begin), runs.at(1, i, begin), runs.at(2, i, begin), 0};
      },
      [&](DType dtype, const kernel::SgdPiece* pieces, const int64_t* chunks, int64_t num_chunks) {
        kernels().sgd_step(
            {dtype, pieces, chunks, num_chunks, lr, momentum, dampening, weight_decay, nesterov, maximize, first_step});
      });
}

void adam_step(const TensorList& params, const TensorList& grads, const TensorList& exp_avgs,
               const TensorList& exp_avg_sqs, const TensorList& max_exp_avg_sqs, IntSpan steps, double lr, double beta1,
               double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad, bool maximize) {
  DLCORE_CHECK(steps.size() == static_cast<int64_t>(params.size()), ValueError,
               "adam_step: steps must have one number for each of the ", params.size(), " params but got ",
               steps.size());
  for (int64_t t : steps) DLCORE_CHECK(t >= 1, ValueError, "adam_step: steps are counted from 1, but got ", t);
  const NoGrad no_grad;
  Runs runs = amsgrad
                  ? Runs("adam_step", {{"params", params},
                                       {"grads", grads},
                                       {"exp_avgs", exp_avgs},
                                       {"exp_avg_sqs", exp_avg_sqs},
                                       {"max_exp_avg_sqs", max_exp_avg_sqs}})
                  : Runs("adam_step",
                         {{"params", params}, {"grads", grads}, {"exp_avgs", exp_avgs}, {"exp_avg_sqs", exp_avg_sqs}});
  runs.step<kernel::AdamPiece>(
      [&](size_t i, int64_t begin) {
        const auto t = static_cast<double>(steps[static_cast<int64_t>(i)]);
        return kernel::AdamPiece{runs.at(0, i, begin),          runs.at(1, i, begin),
                                 runs.at(2, i, begin),          runs.at(3, i, begin),
                                 runs.at(4, i, begin),          0,
                                 lr / (1 - std::pow(beta1, t)), 1 / std::sqrt(1 - std::pow(beta2, t))};
      },
      [&](DType dtype, const kernel::AdamPiece* pieces, const int64_t* chunks, int64_t num_chunks) {
        kernels().adam_step(
            {dtype, pieces, chunks, num_chunks, lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize});
      });
}

}  // namespace dlcore
