// What the stream harness sees of the streams between kernels, and how it holds them up.
#ifndef BNNEDGE_INNER_STREAMS_H
#define BNNEDGE_INNER_STREAMS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "Vmodel.h"
#ifdef BNNEDGE_STREAM_VALID
#include "Vmodel___024root.h"
#endif

#include "job.h"

namespace {

using bnnedge::Random;

// A bit for every internal stream.
#ifdef BNNEDGE_STREAM_VALID
constexpr std::size_t STREAM_BYTES = sizeof(Vmodel___024root::BNNEDGE_STREAM_VALID);
#else
constexpr std::size_t STREAM_BYTES = 0;
#endif
constexpr std::size_t STREAM_WORDS = (STREAM_BYTES + 7) / 8;
using StreamBits = std::array<uint64_t, STREAM_WORDS>;

bool bit_of(const StreamBits& bits, std::size_t stream) {
    return bits[stream / 64] >> stream % 64 & 1;
}

// Counts the set bits of many words by position: bit-sliced, so that a cycle costs about two
// operations for 64 streams instead of one for each.
class PositionCounter {
public:
    void add(uint64_t word) {
        for (int plane = 0; word != 0; ++plane) {
            const uint64_t carry = planes_[plane] & word;
            planes_[plane] ^= word;
            word = carry;
        }
        if (++pending_ == (1u << PLANES) - 1) flush();
    }
    int64_t total(int bit) {
        flush();
        return totals_[bit];
    }

private:
    void flush() {
        if (pending_ == 0) return;
        for (int plane = 0; plane < PLANES; ++plane) {
            for (int bit = 0; bit < 64; ++bit) {
                totals_[bit] += static_cast<int64_t>(planes_[plane] >> bit & 1) << plane;
            }
            planes_[plane] = 0;
        }
        pending_ = 0;
    }

    static constexpr int PLANES = 16;
    uint64_t planes_[PLANES + 1] = {};
    int64_t totals_[64] = {};
    uint32_t pending_ = 0;
};

using StreamCounter = std::array<PositionCounter, STREAM_WORDS>;

// The most words that were ever in each FIFO: what went in and has not come out.
class HighWater {
public:
    explicit HighWater(const Job& job)
        : fifos_(job.fifos), entering_(job.streams), leaving_(job.streams) {
        for (int64_t fifo = 0; fifo < job.fifos; ++fifo) {
            const int32_t in = job.fifo_in[fifo];
            const int32_t out = job.fifo_out[fifo];
            entering_[in].push_back(&fifos_[fifo]);
            leaving_[out].push_back(&fifos_[fifo]);
            entered_[in / 64] |= uint64_t{1} << in % 64;
            left_[out / 64] |= uint64_t{1} << out % 64;
        }
    }
    // What leaves in a cycle goes first, so that a word in and a word out are no change.
    void add(const StreamBits& transfers) {
        for (std::size_t word = 0; word < STREAM_WORDS; ++word) {
            for (uint64_t bits = transfers[word] & left_[word]; bits != 0; bits &= bits - 1) {
                for (Fifo* fifo : leaving_[64 * word + __builtin_ctzll(bits)]) --fifo->words;
            }
        }
        for (std::size_t word = 0; word < STREAM_WORDS; ++word) {
            for (uint64_t bits = transfers[word] & entered_[word]; bits != 0; bits &= bits - 1) {
                for (Fifo* fifo : entering_[64 * word + __builtin_ctzll(bits)]) {
                    if (++fifo->words > fifo->highest) fifo->highest = fifo->words;
                }
            }
        }
    }
    int64_t highest(int64_t fifo) const { return fifos_[fifo].highest; }

private:
    struct Fifo {
        int64_t words = 0;
        int64_t highest = 0;
    };
    std::vector<Fifo> fifos_;
    std::vector<std::vector<Fifo*>> entering_, leaving_;  // by stream
    StreamBits entered_{}, left_{};
};

// When a stream is held up: pauses and the time between them, both of geometric length.
class Gate {
public:
    bool step(Random& random, const Hold& hold) {
        return closed_ = random.below(closed_ ? hold.continue_ : hold.begin);
    }

private:
    bool closed_ = false;
};

// A gate in every stream between kernels: a closed one hides valid from the consumer and ready from
// the producer. It stays open for a beat that the consumer has seen and not taken.
//
// Where `enough` is below 1, a gate begins no pause at a stream that was blocked and starved that
// often, and ends none at a beat of one that was not blocked that often; the latter only once
// results flow, since before that one hold would come after the other all along the network.
class InnerGates {
public:
    InnerGates(const Job& job, uint64_t seed)
        : hold_{job.hold_inner}, enough_{job.enough}, random_{seed * 2 + 0x5DEECE66Dull},
          rigid_{job.rigid}, gates_(job.streams), blocked_(job.streams), starved_(job.streams) {}
    bool used() const { return hold_.begin != 0; }

    // The streams that are held up in the coming cycle.
    const StreamBits& next(int64_t cycle, bool flowing) {
        const double enough = enough_ * static_cast<double>(cycle);
        const StreamBits before = closed_;
        closed_ = {};
        for (std::size_t stream = 0; stream < gates_.size(); ++stream) {
            const bool unblocked = blocked_[stream] <= enough;
            const bool lacks = unblocked || starved_[stream] <= enough;
            const bool holds = flowing && unblocked && enough_ < 1 && bit_of(before, stream)
                && bit_of(valid_, stream);
            const bool closed = !rigid_[stream]
                && (holds || gates_[stream].step(random_, {lacks ? hold_.begin : 0, hold_.continue_}));
            closed_[stream / 64] |= uint64_t{closed} << stream % 64;
        }
        for (std::size_t word = 0; word < STREAM_WORDS; ++word) closed_[word] &= ~waiting_[word];
        return closed_;
    }
    void saw(const StreamBits& valid, const StreamBits& ready) {
        for (std::size_t stream = 0; stream < gates_.size(); ++stream) {
            const bool closed = bit_of(closed_, stream);
            blocked_[stream] += bit_of(valid, stream) && (closed || !bit_of(ready, stream));
            starved_[stream] += bit_of(ready, stream) && (closed || !bit_of(valid, stream));
        }
        valid_ = valid;
        for (std::size_t word = 0; word < STREAM_WORDS; ++word) {
            waiting_[word] = valid[word] & ~ready[word] & ~closed_[word];
        }
    }
    const StreamBits& closed() const { return closed_; }

private:
    Hold hold_;
    double enough_;
    Random random_;
    const uint8_t* rigid_;
    std::vector<Gate> gates_;
    std::vector<int64_t> blocked_, starved_;
    StreamBits valid_{}, closed_{}, waiting_{};
};

}  // namespace

#endif
