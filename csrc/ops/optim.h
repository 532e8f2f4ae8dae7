#pragma once
#include <array>

#include "core/launch.h"
#include "dlcore/optim.h"
#include "kernels/registry.h"
#include "ops/internal.h"

namespace dlcore {

// Lists of tensors as runs of elements, for the passes of kernels/optim.h. Every list has one tensor for each of the
// first one's, of its shape and dtype; one order of the elements for a parameter and all that belongs to it: the
// tensors' own memory where they lie alike and without gaps, contiguous copies that are written back otherwise.
class OptimRuns {
 public:
  struct List {
    const char* name;
    const TensorList* tensors;  // null: not there
  };
  using Factors = std::array<double, kernel::kMostFactors>;

  // Parameters, gradients, state, in the order of OptimPiece. Gradients are only read.
  OptimRuns(const char* op, std::initializer_list<List> lists);

  // Takes the step: `kernel(pass)` once for each dtype, with all its pieces; factors(i) belong to tensor i. Afterwards
  // the changes are written back and counted.
  template <class FactorsOf, class Kernel>
  void pass(kernel::OptimPass pass, FactorsOf factors, const Kernel& kernel) {
    for (const DType dtype : {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16}) {
      cut(dtype);
      if (pieces_.empty()) continue;
      for (size_t k = 0; k < pieces_.size(); ++k) {
        const Factors f = factors(owner_[k]);
        std::copy(f.begin(), f.end(), pieces_[k].factors);
      }
      pass.dtype = dtype;
      pass.pieces = pieces_.data();
      pass.chunks = chunks_.data();
      pass.num_chunks = static_cast<int64_t>(chunks_.size()) - 1;
      launch(op_, cost(dtype), [&] { kernel(pass); });
    }
    finish();
  }
  template <class Kernel>
  void pass(const kernel::OptimPass& options, const Kernel& kernel) {
    pass(options, [](size_t) { return Factors{}; }, kernel);
  }

 private:
  static constexpr size_t kGradients = 1, kArrays = 2 + kernel::kMostState;

  void check(const List& list) const;
  void flatten(size_t i);
  void cut(DType dtype);
  Cost cost(DType dtype) const;
  void finish();

  const char* op_;
  std::array<const TensorList*, kArrays> lists_{};
  const TensorList* first_ = nullptr;  // the first list that is there
  std::vector<std::array<void*, kArrays>> data_;
  std::vector<std::pair<Tensor, Tensor>> copies_;
  TensorList kept_;
  // Of the dtype at hand.
  std::vector<kernel::OptimPiece> pieces_;
  std::vector<size_t> owner_;  // whose piece it is
  std::vector<int64_t> chunks_;
};

}  // namespace dlcore
