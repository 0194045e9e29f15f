// hls::stream as hardware has it: of a depth, with writers that wait for room and readers for
// words. The process ends with status 3 when nothing moves for three seconds.
#ifndef BNNEDGE_BOUNDED_HLS_STREAM_H
#define BNNEDGE_BOUNDED_HLS_STREAM_H

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace hls {

inline std::atomic<unsigned long>& moves() {
  static std::atomic<unsigned long> count{0};
  return count;
}

template <class Word>
class stream {
 public:
  // Without a depth, as the streams of a test bench: as deep as need be.
  explicit stream(const char*, std::size_t depth = -1) : depth(depth) {}

  bool empty() {
    std::this_thread::yield();
    std::lock_guard<std::mutex> lock(mutex);
    return words.empty();
  }

  bool full() {
    std::this_thread::yield();
    std::lock_guard<std::mutex> lock(mutex);
    return words.size() >= depth;
  }

  Word read() {
    while (empty()) {
    }
    std::lock_guard<std::mutex> lock(mutex);
    const Word word = words.front();
    words.pop_front();
    ++moves();
    return word;
  }

  void write(const Word& word) {
    while (full()) {
    }
    std::lock_guard<std::mutex> lock(mutex);
    words.push_back(word);
    ++moves();
  }

 private:
  const std::size_t depth;
  std::deque<Word> words;
  std::mutex mutex;
};

// All processes at once, until they are done.
inline void run(const std::vector<std::function<void()>>& processes) {
  std::atomic<bool> done{false};
  std::thread watch([&] {
    for (unsigned long before = 0, still = 0; !done; before = moves()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      still = moves() == before ? still + 1 : 0;
      if (still >= 30) {
        std::fprintf(stderr, "error: deadlock\n");
        std::_Exit(3);
      }
    }
  });
  std::vector<std::thread> threads;
  for (const auto& process : processes) threads.emplace_back(process);
  for (auto& thread : threads) thread.join();
  done = true;
  watch.join();
}

}  // namespace hls

#endif
