// A node in FINN's cppsim: input_0.npy → the node → output_0.npy, both float32.
// What is compiled before this defines the node. Macros: BNNEDGE_NODE, its function's name; of an
// element BNNEDGE_IN_BITS, BNNEDGE_OUT_BITS, and whether BNNEDGE_OUT_SIGNED.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr std::size_t PREAMBLE = 10;  // of version 1: magic, version, length of the header

bool load(const char* path, std::vector<float>& values) {
  std::ifstream file(path, std::ios::binary);
  unsigned char preamble[PREAMBLE] = {};
  file.read(reinterpret_cast<char*>(preamble), PREAMBLE);
  std::string header(preamble[8] | preamble[9] << 8, ' ');
  file.read(&header[0], static_cast<std::streamsize>(header.size()));
  if (!file || preamble[6] != 1 || header.find("'<f4'") == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos) {
    std::fprintf(stderr, "error: %s: wanted float32 in the order of C\n", path);
    return false;
  }
  float value;
  while (file.read(reinterpret_cast<char*>(&value), sizeof value)) values.push_back(value);
  return true;
}

bool save(const char* path, const std::vector<float>& values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" +
                       std::to_string(values.size()) + ",), }";
  header.resize((PREAMBLE + header.size() + 64) / 64 * 64 - PREAMBLE - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  const char low = static_cast<char>(header.size() & 255);
  const char high = static_cast<char>(header.size() >> 8);
  file << "\x93NUMPY\x01" << '\0' << low << high << header;
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!file.flush()) std::fprintf(stderr, "error: cannot write %s\n", path);
  return bool(file);
}

template <int InBits, int OutBits>
int run(void (*node)(hls::stream<ap_uint<InBits>>&, hls::stream<ap_uint<OutBits>>&)) {
  constexpr unsigned IN_ELEMENTS = InBits / BNNEDGE_IN_BITS;
  constexpr unsigned OUT_ELEMENTS = OutBits / BNNEDGE_OUT_BITS;
  std::vector<float> inputs, outputs;
  if (!load("input_0.npy", inputs)) return 1;
  if (inputs.size() % IN_ELEMENTS) {
    std::fprintf(stderr, "error: input_0.npy does not hold whole words\n");
    return 1;
  }
  // What a stream lacks, or has left over at its end, it says itself.
  hls::stream<ap_uint<InBits>> in("in0_V");
  hls::stream<ap_uint<OutBits>> out("out0_V");
  for (std::size_t at = 0; at < inputs.size(); at += IN_ELEMENTS) {
    ap_uint<InBits> word;
    for (unsigned e = 0; e < IN_ELEMENTS; ++e) {
      bnnedge::set_element<BNNEDGE_IN_BITS>(
          word, e, ap_uint<BNNEDGE_IN_BITS>(static_cast<std::int64_t>(inputs[at + e])));
    }
    in.write(word);
  }
  node(in, out);
  while (!out.empty()) {
    const ap_uint<OutBits> word = out.read();
    for (unsigned e = 0; e < OUT_ELEMENTS; ++e) {
      const auto element = bnnedge::element<BNNEDGE_OUT_BITS>(word, e);
      outputs.push_back(
          static_cast<float>(bnnedge::number<BNNEDGE_OUT_SIGNED>(element).to_int64()));
    }
  }
  return save("output_0.npy", outputs) ? 0 : 1;
}

}  // namespace

int main() { return run(BNNEDGE_NODE); }
