// Runs a saved model the way a server does: a request a line on standard input, its answer a line on standard output.
//
//   server MODEL.safetensors CHANNELS HEIGHT WIDTH
//
// A request is the numbers of one image, separated by spaces or commas; the answer is the most likely class and its
// probability. A line that is no such request gets an answer that begins with "error:", and the loop goes on. The model
// is a Sequential that Sequential::save, or dlcore.export in Python, has written.
#include <dlcore/dlcore.h>

#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dlcore;

namespace {

std::vector<float> numbers_of(const std::string& line) {
  std::vector<float> numbers;
  const char* at = line.c_str();
  for (;;) {
    while (*at == ' ' || *at == ',' || *at == '\t' || *at == '\r') ++at;
    if (!*at) return numbers;
    char* next = nullptr;
    numbers.push_back(std::strtof(at, &next));
    if (next == at) throw std::runtime_error("expected a number in column " + std::to_string(at - line.c_str() + 1));
    at = next;
  }
}

std::string answer(nn::Module& model, const std::string& line, IntSpan shape) {
  const std::vector<float> numbers = numbers_of(line);
  const Tensor input = empty(shape);
  if (input.numel() != static_cast<int64_t>(numbers.size()))
    throw std::runtime_error("expected " + std::to_string(input.numel()) + " numbers but got " +
                             std::to_string(numbers.size()));
  std::copy(numbers.begin(), numbers.end(), input.data<float>());
  const auto [probability, label] = max_dim(softmax(model(input), 1), 1);
  char text[64];
  std::snprintf(text, sizeof text, "%lld %.6f", static_cast<long long>(label.item().to_int()),
                probability.item().to_double());
  return text;
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 5) throw std::runtime_error("usage: server MODEL.safetensors CHANNELS HEIGHT WIDTH");
  nn::Sequential model = nn::Sequential::load(arguments[1]);
  const std::vector<int64_t> shape = {1, std::stoll(arguments[2]), std::stoll(arguments[3]), std::stoll(arguments[4])};
  const NoGrad no_grad;
  for (std::string line; std::getline(std::cin, line);) {
    std::string reply;
    try {
      reply = answer(model, line, shape);
    } catch (const std::exception& e) {
      reply = std::string("error: ") + e.what();
    }
    std::cout << reply << std::endl;  // whoever asked is waiting
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "server: %s\n", e.what());
  return 1;
}
