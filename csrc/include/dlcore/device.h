#pragma once
#include <cstdint>

namespace dlcore {

enum class DeviceType : uint8_t { CPU, CUDA };

struct Device {
  DeviceType type = DeviceType::CPU;
  int8_t index = 0;
  friend bool operator==(Device a, Device b) { return a.type == b.type && a.index == b.index; }
};

}  // namespace dlcore
