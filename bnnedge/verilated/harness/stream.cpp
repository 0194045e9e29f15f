// Drives a module with any number of input and output streams, cycle by cycle, for `session.py`.
// Its ports come as macros: BNNEDGE_CLOCK, BNNEDGE_RESET; BNNEDGE_INPUTS, a list of
// INPUT(name, valid, ready, data, bits); BNNEDGE_OUTPUTS, a list of OUTPUT(name, valid, ready, data,
// bits, last); and BNNEDGE_TIED, a list of TIED(input that stays 0). 0 bits: as many as the port
// has; `last` is the address of a member of the model `m`, or nullptr.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "Vmodel.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

#include "inner_streams.h"
#include "job.h"

// Verilator's signals behind a forceable one: `En`, bits that are forced, and `Val`, to what.
#define FORCED(name, part) FORCED_OF(name, part)
#define FORCED_OF(name, part) name##__Vforce##part

namespace {

// A stream of the module, and what the host does at its end.
struct Port {
    const char* name;
    CData* valid;
    CData* ready;
    void* data;
    std::size_t bytes;       // of `data`
    std::size_t beat_bytes;  // of those, what a beat has
    const CData* last;       // of an output that has one
    Random random;
    Gate gate{};
    bool waiting = false;  // a beat was offered and has not been taken
    int64_t due = 0;       // paced: an input's next beat is not offered before,
    int64_t image_start = 0;  // and its image began in this cycle
    std::vector<uint8_t> held{};
    CData held_last = 0;
};

// Whether a port of so many bits is as wide as one of so many bytes; 0 bits: it is not known.
constexpr bool fits(std::size_t bits, std::size_t bytes) {
    return bits == 0
        || bytes == (bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : bits <= 64 ? 8
                                                                          : (bits + 31) / 32 * 4);
}

template <typename Data>
Port port_of(const char* name, CData& valid, CData& ready, Data& data, std::size_t bits,
             const CData* last, uint64_t seed) {
    const std::size_t beat_bytes = bits == 0 ? sizeof data : (bits + 7) / 8;
    return {name, &valid, &ready, &data, sizeof data, beat_bytes, last, Random{seed}};
}

template <typename Data>
void clear(Data& port) {
    std::memset(&port, 0, sizeof port);
}

class Simulation {
public:
    Simulation(const char* data_folder, const char* trace_file, uint64_t seed, int64_t reset_cycles)
        : seed_{seed}, reset_cycles_{reset_cycles} {
        bnnedge::clear_messages();
        bnnedge::set_data_folder(data_folder);
        context_.randReset(2);  // registers start with random values
        context_.randSeed(static_cast<int>(seed & 0x7fffffff) + 1);
#if VM_TRACE_FST
        context_.traceEverOn(true);
#endif
        model_ = std::make_unique<Vmodel>(&context_);
        Vmodel& m = *model_;
        constexpr uint64_t APART = 0xD1B54A32D192ED03ull;  // the seeds of streams on one side
#define INPUT(name, tvalid, tready, tdata, bits)                                       \
    static_assert(fits(bits, sizeof m.tdata), "input port has another width");         \
    inputs_.push_back(port_of(#name, m.tvalid, m.tready, m.tdata, bits, nullptr,        \
                             seed * 2 + 1 + inputs_.size() * APART));
#define OUTPUT(name, tvalid, tready, tdata, bits, tlast)                               \
    static_assert(fits(bits, sizeof m.tdata), "output port has another width");        \
    outputs_.push_back(port_of(#name, m.tvalid, m.tready, m.tdata, bits, tlast,         \
                              ~seed - outputs_.size() * APART));
#define TIED(port) clear(m.port);
        BNNEDGE_INPUTS
        BNNEDGE_OUTPUTS
        BNNEDGE_TIED
#ifdef BNNEDGE_STREAM_VALID
        clear(m.rootp->FORCED(BNNEDGE_STREAM_VALID, Val));
        clear(m.rootp->FORCED(BNNEDGE_STREAM_READY, Val));
        hold_up({});
#endif
#if VM_TRACE_FST
        if (trace_file != nullptr) {
            trace_ = std::make_unique<VerilatedFstC>();
            m.trace(trace_.get(), 99);
            trace_->open(trace_file);
        }
#else
        (void)trace_file;
#endif
        reset();
    }

    ~Simulation() {
        model_->final();
#if VM_TRACE_FST
        if (trace_) trace_->close();
#endif
    }

    void reset() {
        Verilated::threadContextp(&context_);
        model_->BNNEDGE_RESET = 0;
        for (Port& port : inputs_) {
            *port.valid = 0;
            std::memset(port.data, 0, port.bytes);
            port.waiting = false;
        }
        for (Port& port : outputs_) {
            *port.ready = 0;
            port.waiting = false;
        }
        for (int64_t cycle = 0; cycle < reset_cycles_; ++cycle) {
            edge(0);
            edge(1);
        }
        model_->BNNEDGE_RESET = 1;
    }

    // To be run until all beats have passed; goes on from where the module is.
    void begin(Job& job) {
        job_ = &job;
        inner_gates_ = std::make_unique<InnerGates>(job, seed_);
        high_water_ = std::make_unique<HighWater>(job);
        recorded_.assign(job.streams, {});
        transfers_ = stalled_ = starved_ = {};
        in_left_ = out_left_ = 0;
        for (std::size_t i = 0; i < inputs_.size(); ++i) {
            inputs_[i].due = 0;
            in_left_ += job.inputs[i].count;
        }
        for (std::size_t i = 0; i < outputs_.size(); ++i) out_left_ += job.outputs[i].count;
    }

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

    uint32_t identity() const {
#ifdef BNNEDGE_IDENTITY
        return model_->BNNEDGE_IDENTITY;
#else
        return 0;
#endif
    }

    // What has passed on internal stream `index`, beat after beat.
    const std::vector<uint8_t>& recorded(int64_t index) const { return recorded_[index]; }

    const std::vector<Port>& ports(bool outputs) const { return outputs ? outputs_ : inputs_; }

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
        offer();
        if (inner_gates_->used()) hold_up(inner_gates_->next(job_->cycle, flowing_));
        edge(0);
        if (context_.gotFinish()) return DESIGN_FAILED;
        observe_streams();
        bool progress = false;
        Beats* beats = job_->inputs;
        for (Port& port : inputs_) progress |= take(port, *beats++);
        beats = job_->outputs;
        for (Port& port : outputs_) {
            const Status status = receive(port, *beats++, progress);
            if (status == RUNNING) continue;
            job_->culprit = &port - outputs_.data();
            return status;
        }
        edge(1);
        if (context_.gotFinish()) return DESIGN_FAILED;
        ++job_->cycle;
        return judge(progress);
    }

    // Valid, once raised, stays until the beat is taken; ready may fall at any time.
    void offer() {
        const Beats* beats = job_->inputs;
        for (Port& port : inputs_) {
            const bool closed = port.gate.step(port.random, job_->hold_in);
            const bool due = beats->done < beats->count && job_->cycle >= port.due;
            if (!port.waiting && due && !closed) {
                port.waiting = true;
                std::memcpy(port.data, beats->data + beats->done * port.beat_bytes,
                            port.beat_bytes);
            }
            *port.valid = port.waiting;
            ++beats;
        }
        beats = job_->outputs;
        for (Port& port : outputs_) {
            const bool closed = port.gate.step(port.random, job_->hold_out);
            *port.ready = !closed && (job_->more || beats->done < beats->count);
            ++beats;
        }
    }

    bool take(Port& port, Beats& beats) {
        beats.valid = port.waiting;
        beats.ready = *port.ready;
        if (!port.waiting || !beats.ready) return false;
        if (job_->interval_cycles > 0) schedule_next(port, beats.done);
        beats.cycles[beats.done++] = job_->cycle;
        port.waiting = false;
        --in_left_;
        return true;
    }

    // What was offered before must still be there, as it was.
    Status receive(Port& port, Beats& beats, bool& progress) {
        beats.valid = *port.valid;
        beats.ready = *port.ready;
        if (port.waiting) {
            if (!beats.valid) return VALID_DROPPED;
            if (std::memcmp(port.held.data(), port.data, port.bytes) != 0) return DATA_CHANGED;
            if (port.last != nullptr && port.held_last != *port.last) return LAST_CHANGED;
        }
        port.waiting = beats.valid && !beats.ready;
        if (port.waiting) {
            const auto* data = static_cast<const uint8_t*>(port.data);
            port.held.assign(data, data + port.bytes);
            if (port.last != nullptr) port.held_last = *port.last;
        } else if (beats.valid) {
            if (beats.done == beats.count) return EXTRA_BEAT;
            std::memcpy(beats.data + beats.done * port.beat_bytes, port.data, port.beat_bytes);
            if (port.last != nullptr) beats.last[beats.done] = *port.last;
            beats.cycles[beats.done++] = job_->cycle;
            --out_left_;
            progress = flowing_ = true;
        }
        return RUNNING;
    }

    // Finished means, where more beats would be taken, that nothing came for twice the longest
    // silence seen while there was work.
    Status judge(bool progress) {
        if (progress) {
            longest_silence_ = std::max(longest_silence_, job_->idle_cycles);
            job_->idle_cycles = 0;
            return RUNNING;
        }
        ++job_->idle_cycles;
        if (in_left_ == 0 && out_left_ == 0) {
            const bool silent = !job_->more || job_->idle_cycles > 2 * longest_silence_ + 64;
            return silent ? FINISHED : RUNNING;
        }
        return job_->idle_cycles >= job_->watchdog_cycles ? STUCK : RUNNING;
    }

    // Spreads an image's beats evenly over the interval that begins with its first one.
    void schedule_next(Port& port, int64_t done) {
        const int64_t beat = done % job_->image_beats;
        if (beat == 0) port.image_start = job_->cycle;
        port.due = port.image_start + (beat + 1) * job_->interval_cycles / job_->image_beats;
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
        if (inner_gates_->used()) inner_gates_->saw(valid_, ready_);
        if (out_left_ == 0) return;  // the silence at the end says nothing
        const StreamBits& closed = inner_gates_->closed();
        StreamBits transfers;
        for (std::size_t word = 0; word < STREAM_WORDS; ++word) {
            transfers[word] = valid_[word] & ready_[word] & ~closed[word];
            transfers_[word].add(transfers[word]);
            stalled_[word].add(valid_[word] & ~transfers[word]);
            starved_[word].add(ready_[word] & ~transfers[word]);
        }
        if (job_->fifos > 0) high_water_->add(transfers);
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
        for (int64_t stream = 0; stream < job_->streams; ++stream) {
            const std::size_t word = stream / 64;
            const int bit = stream % 64;
            job_->valid[stream] = bit_of(valid_, stream);
            job_->ready[stream] = bit_of(ready_, stream);
            job_->transfers[stream] = transfers_[word].total(bit);
            job_->stalled[stream] = stalled_[word].total(bit);
            job_->starved[stream] = starved_[word].total(bit);
        }
        for (int64_t fifo = 0; fifo < job_->fifos; ++fifo) {
            job_->high_water[fifo] = high_water_->highest(fifo);
        }
    }

    std::vector<Port> inputs_, outputs_;
    uint64_t seed_;
    int64_t reset_cycles_;
    VerilatedContext context_;
    std::unique_ptr<Vmodel> model_;
#if VM_TRACE_FST
    std::unique_ptr<VerilatedFstC> trace_;
#endif
    Job* job_ = nullptr;
    std::unique_ptr<InnerGates> inner_gates_;
    std::unique_ptr<HighWater> high_water_;
    StreamBits valid_{}, ready_{};
    StreamCounter transfers_, stalled_, starved_;
    std::vector<std::vector<uint8_t>> recorded_;
    int64_t time_ = 0;
    int64_t in_left_ = 0, out_left_ = 0;  // beats of all inputs, and of all outputs
    int64_t longest_silence_ = 0;
    bool flowing_ = false;  // a result came
};

}  // namespace

BNNEDGE_EXPORT const char* stream_layout() { return layout().c_str(); }
BNNEDGE_EXPORT Simulation* stream_create(const char* data_folder, const char* trace, uint64_t seed,
                                         int64_t reset_cycles) {
    return new Simulation(data_folder, trace, seed, reset_cycles);
}
BNNEDGE_EXPORT void stream_destroy(Simulation* simulation) { delete simulation; }
BNNEDGE_EXPORT void stream_reset(Simulation* simulation) { simulation->reset(); }
BNNEDGE_EXPORT uint32_t stream_identity(Simulation* simulation) { return simulation->identity(); }
BNNEDGE_EXPORT int64_t stream_count(Simulation* simulation, int32_t outputs_) {
    return static_cast<int64_t>(simulation->ports(outputs_).size());
}
BNNEDGE_EXPORT const char* stream_name(Simulation* simulation, int32_t outputs_, int64_t index) {
    return simulation->ports(outputs_)[index].name;
}
BNNEDGE_EXPORT int64_t stream_bytes(Simulation* simulation, int32_t outputs_, int64_t index) {
    return static_cast<int64_t>(simulation->ports(outputs_)[index].beat_bytes);
}
BNNEDGE_EXPORT void stream_begin(Simulation* simulation, Job* job) { simulation->begin(*job); }
BNNEDGE_EXPORT int32_t stream_run(Simulation* simulation, double seconds) {
    return simulation->run(seconds);
}
BNNEDGE_EXPORT const uint8_t* stream_recorded(Simulation* simulation, int64_t index,
                                              int64_t* bytes) {
    *bytes = static_cast<int64_t>(simulation->recorded(index).size());
    return simulation->recorded(index).data();
}
BNNEDGE_EXPORT const char* stream_messages() { return bnnedge::messages().c_str(); }
