#pragma once
#include <vector>

#include "dlcore/tensor.h"

// Optimizers over a list of parameters (module.parameters()). Formulas: dlcore/optim.h; names and defaults are
// PyTorch's.
//
//   optimizer.zero_grad();  loss(net(x), y).backward();  optimizer.step();
namespace dlcore {

class DLCORE_API Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Changes every parameter that has a grad.
  virtual void step() = 0;
  void zero_grad();  // no parameter has a grad afterwards

  double lr;  // may be changed between steps

 protected:
  Optimizer(TensorList parameters, double lr);
  const TensorList parameters_;
};

struct SGDOptions {
  double momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
class DLCORE_API SGD : public Optimizer {
 public:
  explicit SGD(TensorList parameters, double lr = 1e-3, const SGDOptions& options = {});
  void step() override;

 private:
  const SGDOptions options_;
  TensorList buffers_;  // one a parameter, undefined before its first step
};

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;
};
class DLCORE_API Adam : public Optimizer {
 public:
  explicit Adam(TensorList parameters, double lr = 1e-3, const AdamOptions& options = {});
  void step() override;

 protected:
  Adam(TensorList parameters, double lr, const AdamOptions& options, bool decoupled);

 private:
  const AdamOptions options_;
  const bool decoupled_;
  TensorList means_, squares_, largest_;  // one a parameter, undefined before its first step
  std::vector<int64_t> steps_;
};

struct AdamWOptions : AdamOptions {
  AdamWOptions() { weight_decay = 1e-2; }
};
// Adam with weight decay that does not go through the moments.
class DLCORE_API AdamW : public Adam {
 public:
  explicit AdamW(TensorList parameters, double lr = 1e-3, const AdamOptions& options = AdamWOptions())
      : Adam(std::move(parameters), lr, options, true) {}
};

}  // namespace dlcore
