// Trains a small perceptron in C++, with no Python in sight, and says how far the loss fell.
#include <dlcore/dlcore.h>
#include <dlcore/optim.h>

#include <cstdio>

using namespace dlcore;

int main() try {
  // The function to learn: y = sin(3 x) on [-1, 1].
  const Tensor x = reshape(linspace(-1, 1, 64), {64, 1}), y = sin(x * 3);

  // A 1-32-1 perceptron. Its first layer spreads the kinks of tanh over the interval.
  TensorList parameters = {reshape(linspace(-4, 4, 32), {1, 32}), linspace(3, -3, 32), zeros({32, 1}), zeros({1})};
  for (Tensor& p : parameters) p.set_requires_grad(true);
  const auto loss_of = [&] {
    const Tensor hidden = tanh(matmul(x, parameters[0]) + parameters[1]);
    const Tensor error = matmul(hidden, parameters[2]) + parameters[3] - y;
    return mean(error * error);
  };

  const double first = loss_of().item().to_double();
  for (int step = 0; step < 20000; ++step) {
    const TensorList gradients = grad({loss_of()}, parameters);
    sgd_step(parameters, gradients, {}, /*lr=*/0.04, /*momentum=*/0, /*dampening=*/0, /*weight_decay=*/0,
             /*nesterov=*/false, /*maximize=*/false, /*first_step=*/step == 0);
  }
  const double last = loss_of().item().to_double();
  std::printf("loss %.6f -> %.6f\n", first, last);

  // A wrong argument is an exception, and the exception crosses the library's border.
  bool thrown = false;
  try {
    matmul(x, x);
  } catch (const Error& e) {
    thrown = true;
    std::printf("as it should: %s\n", e.what());
  }
  return last < first / 20 && thrown ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
