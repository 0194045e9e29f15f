// Drives a module with one input and one output stream, cycle by cycle, for `stream.py`.
// Port names and widths come as macros (BNNEDGE_CLOCK, BNNEDGE_IN_BITS, ...), so that the loop
// compiles to plain loads and stores whatever the widths are.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "Vmodel.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#ifdef BNNEDGE_STREAM_VALID
#include "Vmodel___024root.h"
#endif

using bnnedge::Random;

// Verilator's signals behind a forceable one: `En`, bits that are forced, and `Val`, to what.
#define FORCED(name, part) FORCED_OF(name, part)
#define FORCED_OF(name, part) name##__Vforce##part

namespace {

// The numbers are known to stream.py (`_Status`).
enum Status : int32_t {
    RUNNING = 0,
    FINISHED = 1,
    VALID_DROPPED = 2,
    DATA_CHANGED = 3,
    LAST_CHANGED = 4,
    STUCK = 5,
    EXTRA_BEAT = 6,
    DESIGN_FAILED = 7,
};

constexpr int64_t RESET_CYCLES = 4;

// Chances in units of 2^-32. Mirrored by stream.py (`_Hold`).
struct Hold {
    uint32_t begin;     // that a pause begins in a cycle,
    uint32_t continue_; // and that one goes on for another cycle
};

// Mirrored field by field by stream.py (`_Job`).
struct Job {
    const uint8_t* inputs;
    int64_t* in_cycles;
    int64_t in_beats;
    uint8_t* outputs;
    uint8_t* last;
    int64_t* out_cycles;
    int64_t out_beats;
    int64_t watchdog_cycles;
    uint64_t seed;
    Hold hold_in, hold_out, hold_inner;
    double enough;  // share of the cycles from which on a stream between kernels is left alone
    int64_t image_beats;      // paced input: an image has so many beats,
    int64_t interval_cycles;  // and begins at least so many cycles after the one before; 0: unpaced
    int64_t streams;
    int64_t fifos;
    const int32_t* fifo_in;   // streams
    const int32_t* fifo_out;
    int64_t in_done;
    int64_t out_done;
    int64_t cycle;
    int64_t idle_cycles;
    uint8_t* valid;  // last seen, and totals: of every stream
    uint8_t* ready;
    int64_t* transfers;
    int64_t* stalled;
    int64_t* starved;
    int64_t* high_water;  // of every FIFO
    uint32_t identity;
    int32_t in_valid, in_ready, out_valid, out_ready;
};

using InData = std::remove_reference_t<decltype(Vmodel::BNNEDGE_IN_DATA)>;
using OutData = std::remove_reference_t<decltype(Vmodel::BNNEDGE_OUT_DATA)>;
constexpr std::size_t IN_BYTES = (BNNEDGE_IN_BITS + 7) / 8;
constexpr std::size_t OUT_BYTES = (BNNEDGE_OUT_BITS + 7) / 8;

constexpr std::size_t port_bytes(std::size_t bits) {
    return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : bits <= 64 ? 8 : (bits + 31) / 32 * 4;
}
static_assert(sizeof(InData) == port_bytes(BNNEDGE_IN_BITS), "input port has another width");
static_assert(sizeof(OutData) == port_bytes(BNNEDGE_OUT_BITS), "output port has another width");

template <typename Data>
void clear(Data& port) {
    std::memset(&port, 0, sizeof port);
}

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
    explicit InnerGates(const Job& job)
        : hold_{job.hold_inner}, enough_{job.enough}, random_{job.seed * 2 + 0x5DEECE66Dull},
          gates_(job.streams), blocked_(job.streams), starved_(job.streams) {}
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
            const bool closed = holds
                || gates_[stream].step(random_, {lacks ? hold_.begin : 0, hold_.continue_});
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
    std::vector<Gate> gates_;
    std::vector<int64_t> blocked_, starved_;
    StreamBits valid_{}, closed_{}, waiting_{};
};

class Simulation {
public:
    Simulation(Job& job, const char* data_folder, const char* trace_file)
        : job_{job}, random_in_{job.seed * 2 + 1}, random_out_{~job.seed},
          inner_gates_{job}, high_water_{job}, recorded_(job.streams) {
        bnnedge::clear_messages();
        bnnedge::set_data_folder(data_folder);
        context_.randReset(2);  // registers start with random values
        context_.randSeed(static_cast<int>(job.seed & 0x7fffffff) + 1);
#if VM_TRACE_FST
        context_.traceEverOn(true);
#endif
        model_ = std::make_unique<Vmodel>(&context_);
        model_->BNNEDGE_CLOCK = 0;
        model_->BNNEDGE_RESET = 0;
        model_->BNNEDGE_IN_VALID = 0;
        model_->BNNEDGE_OUT_READY = 0;
        clear(model_->BNNEDGE_IN_DATA);
#ifdef BNNEDGE_STREAM_VALID
        clear(model_->rootp->FORCED(BNNEDGE_STREAM_VALID, Val));
        clear(model_->rootp->FORCED(BNNEDGE_STREAM_READY, Val));
        hold_up({});
#endif
#if VM_TRACE_FST
        if (trace_file != nullptr) {
            trace_ = std::make_unique<VerilatedFstC>();
            model_->trace(trace_.get(), 99);
            trace_->open(trace_file);
        }
#else
        (void)trace_file;
#endif
        for (int64_t cycle = 0; cycle < RESET_CYCLES; ++cycle) {
            edge(0);
            edge(1);
        }
        model_->BNNEDGE_RESET = 1;
#ifdef BNNEDGE_IDENTITY
        job_.identity = model_->BNNEDGE_IDENTITY;
#endif
    }

    ~Simulation() {
        model_->final();
#if VM_TRACE_FST
        if (trace_) trace_->close();
#endif
    }

    // What has passed on internal stream `index`, beat after beat.
    const std::vector<uint8_t>& recorded(int index) const { return recorded_[index]; }

    // Simulates for about `seconds`, so that the caller can look at its signals in between.
    Status run(double seconds) {
        using Clock = std::chrono::steady_clock;
        const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
        Verilated::threadContextp(&context_);
        Status status = RUNNING;
        while (status == RUNNING) {
            for (int i = 0; i < 256 && status == RUNNING; ++i) status = cycle();
            if (Clock::now() > deadline) break;
        }
        report();
        return status;
    }

private:
    void edge(int clock) {
        model_->BNNEDGE_CLOCK = clock;
        model_->eval();
#if VM_TRACE_FST
        if (trace_) trace_->dump(static_cast<uint64_t>(time_));
#endif
        time_ += 5;
    }

    Status cycle() {
        Vmodel& model = *model_;
        // Valid, once raised, stays until the beat is taken; ready may fall at any time.
        const bool in_closed = gate_in_.step(random_in_, job_.hold_in);
        if (!in_valid_ && job_.in_done < job_.in_beats && job_.cycle >= in_due_ && !in_closed) {
            in_valid_ = true;
            std::memcpy(&model.BNNEDGE_IN_DATA, job_.inputs + job_.in_done * IN_BYTES, IN_BYTES);
        }
        const bool out_ready = !gate_out_.step(random_out_, job_.hold_out);
        if (inner_gates_.used()) hold_up(inner_gates_.next(job_.cycle, job_.out_done > 0));
        model.BNNEDGE_IN_VALID = in_valid_;
        model.BNNEDGE_OUT_READY = out_ready;
        edge(0);
        if (context_.gotFinish()) return DESIGN_FAILED;

        const bool in_taken = in_valid_ && model.BNNEDGE_IN_READY;
        const bool out_valid = model.BNNEDGE_OUT_VALID;
        if (out_waiting_) {
            if (!out_valid) return VALID_DROPPED;
            if (std::memcmp(&held_, &model.BNNEDGE_OUT_DATA, sizeof held_) != 0) {
                return DATA_CHANGED;
            }
#ifdef BNNEDGE_OUT_LAST
            if (held_last_ != model.BNNEDGE_OUT_LAST) return LAST_CHANGED;
#endif
        }
        out_waiting_ = out_valid && !out_ready;
        if (out_waiting_) {
            std::memcpy(&held_, &model.BNNEDGE_OUT_DATA, sizeof held_);
#ifdef BNNEDGE_OUT_LAST
            held_last_ = model.BNNEDGE_OUT_LAST;
#endif
        }
        observe_streams();

        job_.in_valid = in_valid_;
        job_.in_ready = model.BNNEDGE_IN_READY;
        job_.out_valid = out_valid;
        job_.out_ready = out_ready;
        if (in_taken) {
            if (job_.interval_cycles > 0) schedule_next();
            job_.in_cycles[job_.in_done++] = job_.cycle;
            in_valid_ = false;
        }
        if (out_valid && out_ready) {
            if (job_.out_done == job_.out_beats) return EXTRA_BEAT;
            std::memcpy(job_.outputs + job_.out_done * OUT_BYTES, &model.BNNEDGE_OUT_DATA,
                        OUT_BYTES);
#ifdef BNNEDGE_OUT_LAST
            job_.last[job_.out_done] = model.BNNEDGE_OUT_LAST;
#endif
            job_.out_cycles[job_.out_done++] = job_.cycle;
        }
        edge(1);
        if (context_.gotFinish()) return DESIGN_FAILED;
        ++job_.cycle;
        return judge(in_taken || (out_valid && out_ready));
    }

    // Finished means that nothing came for twice the longest silence seen while there was work.
    Status judge(bool progress) {
        const bool done = job_.in_done == job_.in_beats && job_.out_done == job_.out_beats;
        if (progress) {
            if (job_.idle_cycles > longest_silence_) longest_silence_ = job_.idle_cycles;
            job_.idle_cycles = 0;
            return RUNNING;
        }
        ++job_.idle_cycles;
        if (done) return job_.idle_cycles > 2 * longest_silence_ + 64 ? FINISHED : RUNNING;
        return job_.idle_cycles >= job_.watchdog_cycles ? STUCK : RUNNING;
    }

    // Spreads an image's beats evenly over the interval that begins with its first one.
    void schedule_next() {
        const int64_t beat = job_.in_done % job_.image_beats;
        if (beat == 0) image_start_ = job_.cycle;
        in_due_ = image_start_ + (beat + 1) * job_.interval_cycles / job_.image_beats;
    }

    void hold_up([[maybe_unused]] const StreamBits& streams) {
#ifdef BNNEDGE_STREAM_VALID
        std::memcpy(&model_->rootp->FORCED(BNNEDGE_STREAM_VALID, En), &streams, STREAM_BYTES);
        std::memcpy(&model_->rootp->FORCED(BNNEDGE_STREAM_READY, En), &streams, STREAM_BYTES);
#endif
    }

    void observe_streams() {
#ifdef BNNEDGE_STREAM_VALID
        std::memcpy(&valid_, &model_->rootp->BNNEDGE_STREAM_VALID, STREAM_BYTES);
        std::memcpy(&ready_, &model_->rootp->BNNEDGE_STREAM_READY, STREAM_BYTES);
        if (inner_gates_.used()) inner_gates_.saw(valid_, ready_);
        if (job_.out_done == job_.out_beats) return;  // the silence at the end says nothing
        const StreamBits& closed = inner_gates_.closed();
        StreamBits transfers;
        for (std::size_t word = 0; word < STREAM_WORDS; ++word) {
            transfers[word] = valid_[word] & ready_[word] & ~closed[word];
            transfers_[word].add(transfers[word]);
            stalled_[word].add(valid_[word] & ~transfers[word]);
            starved_[word].add(ready_[word] & ~transfers[word]);
        }
        if (job_.fifos > 0) high_water_.add(transfers);
#ifdef BNNEDGE_TAPS
#define BNNEDGE_TAP(index, signal)                                                       \
    if (bit_of(transfers, index)) {                                                      \
        const auto* data = reinterpret_cast<const uint8_t*>(&model_->rootp->signal);     \
        recorded_[index].insert(recorded_[index].end(), data,                            \
                                data + sizeof model_->rootp->signal);                    \
    }
        BNNEDGE_TAPS
#endif
#endif
    }

    void report() {
        for (int64_t stream = 0; stream < job_.streams; ++stream) {
            const std::size_t word = stream / 64;
            const int bit = stream % 64;
            job_.valid[stream] = bit_of(valid_, stream);
            job_.ready[stream] = bit_of(ready_, stream);
            job_.transfers[stream] = transfers_[word].total(bit);
            job_.stalled[stream] = stalled_[word].total(bit);
            job_.starved[stream] = starved_[word].total(bit);
        }
        for (int64_t fifo = 0; fifo < job_.fifos; ++fifo) {
            job_.high_water[fifo] = high_water_.highest(fifo);
        }
    }

    Job& job_;
    VerilatedContext context_;
    std::unique_ptr<Vmodel> model_;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace_;
#endif
    Random random_in_;
    Random random_out_;
    Gate gate_in_, gate_out_;
    InnerGates inner_gates_;
    StreamBits valid_{}, ready_{};
    StreamCounter transfers_, stalled_, starved_;
    HighWater high_water_;
    std::vector<std::vector<uint8_t>> recorded_;
    int64_t time_ = 0;
    int64_t longest_silence_ = 0;
    int64_t in_due_ = 0;
    int64_t image_start_ = 0;
    bool in_valid_ = false;
    bool out_waiting_ = false;
    bool held_last_ = false;
    OutData held_{};
};

}  // namespace

BNNEDGE_EXPORT Simulation* stream_create(Job* job, const char* data_folder, const char* trace) {
    return new Simulation(*job, data_folder, trace);
}
BNNEDGE_EXPORT int32_t stream_run(Simulation* simulation, double seconds) {
    return simulation->run(seconds);
}
BNNEDGE_EXPORT void stream_destroy(Simulation* simulation) { delete simulation; }
BNNEDGE_EXPORT const uint8_t* stream_recorded(Simulation* simulation, int index, int64_t* bytes) {
    *bytes = static_cast<int64_t>(simulation->recorded(index).size());
    return simulation->recorded(index).data();
}
BNNEDGE_EXPORT const char* stream_messages() { return bnnedge::messages().c_str(); }
