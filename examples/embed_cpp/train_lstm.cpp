// Trains an LSTM to remember: of a sequence of 8 symbols it tells the first one.
#include <dlcore/dlcore.h>

#include <cstdio>

using namespace dlcore;

namespace {

struct Reader : nn::Module {
  nn::Embedding embedding;
  nn::LSTM lstm;
  nn::Linear out;

  Reader(int64_t symbols, int64_t hidden)
      : embedding(symbols, hidden), lstm(hidden, hidden, {.batch_first = true}), out(hidden, symbols) {
    register_module("embedding", embedding);
    register_module("lstm", lstm);
    register_module("out", out);
  }

  // Symbols (batch, steps) to scores (batch, symbols).
  Tensor forward(const Tensor& input) override {
    const Tensor y = lstm(embedding(input));
    return out(select(y, 1, -1));
  }
};

}  // namespace

int main() try {
  constexpr int64_t kSymbols = 4, kSteps = 8, kBatch = 32;
  default_generator().set_seed(0);
  Reader net(kSymbols, 32);
  Adam optimizer(net.parameters(), 1e-2);
  double right = 0;
  for (int step = 1; step <= 600; ++step) {
    const Tensor input = randint(0, kSymbols, {kBatch, kSteps}), target = select(input, 1, 0);
    const Tensor scores = net(input), loss = cross_entropy(scores, target);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    right += mean(to_dtype(eq(argmax(scores, 1), target), DType::Float32)).item().to_double();
    if (step % 100) continue;
    std::printf("step %d: loss %.4f, %.1f%% of the last 100 batches\n", step, loss.item().to_double(), right);
    right = step < 600 ? 0 : right;
  }
  return right > 0.95 * 100 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "train_lstm: %s\n", e.what());
  return 1;
}
