// Test bench of a generated bnnedge_core: packed inputs from a file, results into another.
//
// Usage       test_bench INPUTS OUTPUTS [EXPECTED]: images as the bytes of their beats on s_axis,
//             one after the other; results as those on m_axis. With EXPECTED, results must equal
//             that file.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "bnnedge_core.hpp"

namespace {

using bytes = std::vector<char>;

constexpr std::size_t IN_BYTES = IN_BITS / 8;
constexpr std::size_t OUT_BYTES = OUT_BITS / 8;

bool read_file(const std::string& path, bytes& content) {
  std::ifstream file(path, std::ios::binary);
  content.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  if (!file) std::fprintf(stderr, "error: cannot read %s\n", path.c_str());
  return bool(file);
}

template <int Width>
ap_uint<Width> word_of(const char* data) {
  ap_uint<Width> word = 0;
  for (int b = 0; b < Width / 8; ++b) {
    word(8 * b + 7, 8 * b) = static_cast<unsigned char>(data[b]);
  }
  return word;
}

template <int Width>
void append_word(bytes& content, const ap_uint<Width>& word) {
  for (int b = 0; b < Width / 8; ++b) {
    content.push_back(static_cast<char>(word(8 * b + 7, 8 * b).to_uint()));
  }
}

// Takes the beats of all images; false where some are missing, too many, or wrongly marked.
bool take_results(hls::stream<bnnedge::axis_beat<OUT_BITS>>& m_axis, std::size_t images,
                  bytes& results) {
  for (std::size_t image = 0; image < images; ++image) {
    for (unsigned beat = 0; beat < OUT_BEATS; ++beat) {
      if (m_axis.empty()) {
        std::fprintf(stderr, "error: image %zu: beat %u is missing\n", image, beat);
        return false;
      }
      const bnnedge::axis_beat<OUT_BITS> got = m_axis.read();
      if ((got.last == 1) != (beat == OUT_BEATS - 1)) {
        std::fprintf(stderr, "error: image %zu: wrong TLAST in beat %u\n", image, beat);
        return false;
      }
      append_word<OUT_BITS>(results, got.data);
    }
  }
  if (!m_axis.empty()) std::fprintf(stderr, "error: more beats than %zu images have\n", images);
  return m_axis.empty();
}

bool equal(const bytes& results, const bytes& expected) {
  const std::size_t size = OUT_BEATS * OUT_BYTES;
  for (std::size_t at = 0; at < results.size(); ++at) {
    if (at >= expected.size() || results[at] != expected[at]) {
      std::fprintf(stderr, "error: image %zu differs in byte %zu\n", at / size, at % size);
      return false;
    }
  }
  return results.size() == expected.size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: test_bench INPUTS OUTPUTS [EXPECTED]\n");
    return 2;
  }
  bytes inputs, results;
  if (!read_file(argv[1], inputs)) return 1;
  const std::size_t images = inputs.size() / (IN_BEATS * IN_BYTES);
  if (images == 0 || inputs.size() != images * IN_BEATS * IN_BYTES) {
    std::fprintf(stderr, "error: %s does not hold whole images\n", argv[1]);
    return 1;
  }

  hls::stream<ap_uint<IN_BITS>> s_axis("s_axis");
  hls::stream<bnnedge::axis_beat<OUT_BITS>> m_axis("m_axis");
  for (std::size_t at = 0; at < inputs.size(); at += IN_BYTES) {
    s_axis.write(word_of<IN_BITS>(&inputs[at]));
  }
  bnnedge_core(s_axis, m_axis, static_cast<unsigned>(images));
  if (!s_axis.empty()) {
    std::fprintf(stderr, "error: not all input was taken\n");
    return 1;
  }
  if (!take_results(m_axis, images, results)) return 1;

  std::ofstream file(argv[2], std::ios::binary);
  file.write(results.data(), static_cast<std::streamsize>(results.size()));
  if (!file.flush()) {
    std::fprintf(stderr, "error: cannot write %s\n", argv[2]);
    return 1;
  }
  if (argc < 4) return 0;
  bytes expected;
  if (!read_file(argv[3], expected) || !equal(results, expected)) return 1;
  std::printf("%zu images equal to %s\n", images, argv[3]);
  return 0;
}
