// Drives one kernel: streams from files, streams to files. It is compiled by itself, once for all.
#ifndef BNNEDGE_BENCH_HPP
#define BNNEDGE_BENCH_HPP

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels.hpp"  // all of them, written by the test

// Words of whole bytes each, the lowest first.
template <int Width>
void load(const std::string& path, hls::stream<ap_uint<Width>>& stream) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
  constexpr std::size_t SIZE = (Width + 7) / 8;
  for (std::size_t at = 0; at < data.size(); at += SIZE) {
    ap_uint<8 * SIZE> word = 0;
    for (std::size_t b = 0; b < SIZE; ++b) {
      word(8 * b + 7, 8 * b) = static_cast<unsigned char>(data[at + b]);
    }
    stream.write(ap_uint<Width>(word));
  }
}

template <int Width>
void save(hls::stream<ap_uint<Width>>& stream, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  constexpr std::size_t SIZE = (Width + 7) / 8;
  while (!stream.empty()) {
    const ap_uint<8 * SIZE> word = stream.read();
    for (std::size_t b = 0; b < SIZE; ++b) {
      file.put(static_cast<char>(word(8 * b + 7, 8 * b).to_uint()));
    }
  }
}

#endif
