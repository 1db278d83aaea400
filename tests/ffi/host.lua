-- LuaJIT through the declarations that Python reads: luajit host.lua CDEF LIBRARY [RUN.yaml]
-- A backbone with a callback, one step of ask and tell, frees in the wrong order, an error's text; then RUN.yaml is run.
local ffi = require("ffi")
local file = assert(io.open(arg[1]))
ffi.cdef(file:read("*a"))
file:close()
local lib = ffi.load(arg[2])

local ctx -- modnas_ctx *
local function check(status)
    if status ~= 0 then error(status .. ": " .. ffi.string(lib.modnas_errmsg(ctx)), 2) end
end
local function out(ctype) return ffi.new(ctype .. " *[1]") end
local function new(ctype) -- a struct with its size
    local s = ffi.new(ctype)
    s.size = ffi.sizeof(ctype)
    return s
end

local made = out("modnas_ctx")
assert(lib.modnas_ctx_new(nil, made) == 0)
ctx = made[0]

-- Callbacks of LuaJIT must not raise: they return statuses.
local forwards = 0
local vt = new("modnas_module_vt")
vt.build = function(m)
    local rc = lib.modnas_model_set_input(lib.modnas_module_model(m), 1, 6, 6)
    if rc == 0 then rc = lib.modnas_module_add(m, "stem", "ConvBNAct", "in_channels: 1, out_channels: 8", nil) end
    if rc == 0 then rc = lib.modnas_module_add(m, "slot", "Slot", "chn_in: 8, chn_out: 8", nil) end
    if rc == 0 then rc = lib.modnas_module_add(m, "pool", "GlobalAvgPool", nil, nil) end
    return rc == 0 and lib.modnas_module_add(m, "fc", "Linear", "in_features: 8, out_features: 2", nil) or rc
end
vt.forward = function(m, tape, src, n, dst)
    local x = ffi.new("modnas_value *[1]", {src[0]})
    forwards = forwards + 1
    for _, name in ipairs {"stem", "slot", "pool", "fc"} do
        local rc = lib.modnas_forward(lib.modnas_module_child(m, name), tape, x[0], x)
        if rc ~= 0 then return rc end
    end
    dst[0] = x[0]
    return 0
end
local net = new("modnas_component")
local kept = {kind = "model", name = "LuaNet"} -- the library copies them
net.kind, net.name, net.vt = kept.kind, kept.name, vt
check(lib.modnas_registry_register(ctx, net))

local data = new("modnas_data_source")
data.n, data.dims, data.n_classes = 16, {1, 6, 6}, 2
data.sample = function(index, dst, label)
    label[0] = tonumber(index) % 2
    for i = 0, 35 do dst[i] = label[0] == 0 and i % 2 or i % 3 end
    return 0
end
check(lib.modnas_data_register(ctx, "LuaData", data))

local yaml = [[
backend: ref
threads: 1
model: LuaNet
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}
train_data: LuaData
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 4, val_batch_size: 4, valid_size: 4}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.1}}}}}
optim: RandomSearchOptim
]]
local cfg, search, arch, n, loss = out("modnas_config"), out("modnas_search"), out("modnas_arch"), ffi.new("int32_t[1]"), ffi.new("double[1]")
check(lib.modnas_config_new(ctx, cfg))
check(lib.modnas_config_add_text(cfg[0], yaml, #yaml, "lua"))
check(lib.modnas_search_new(cfg[0], nil, search))
check(lib.modnas_search_ask(search[0], 1, arch, n))
check(lib.modnas_search_train(search[0], arch[0], 2, loss))
local metrics = ffi.new("modnas_metric[8]")
check(lib.modnas_search_evaluate(search[0], arch[0], metrics, 8, n))
check(lib.modnas_search_tell(search[0], arch[0], 0, metrics, n[0]))
assert(loss[0] > 0 and forwards > 0 and n[0] > 0)

local bad = out("modnas_config")
check(lib.modnas_config_new(ctx, bad))
check(lib.modnas_config_add_text(bad[0], "modle: LuaNet\n", 14, "lua"))
assert(lib.modnas_config_check(bad[0]) == lib.MODNAS_ECONFIG)
assert(ffi.string(lib.modnas_errmsg(ctx)):find("lua:1", 1, true), ffi.string(lib.modnas_errmsg(ctx)))

if arg[3] then
    local cfg = out("modnas_config")
    check(lib.modnas_config_new(ctx, cfg))
    check(lib.modnas_config_add_file(cfg[0], arg[3]))
    check(lib.modnas_config_set(cfg[0], "name", "lua"))
    check(lib.modnas_run(cfg[0], nil, nil, nil))
    lib.modnas_config_free(cfg[0])
end
lib.modnas_ctx_free(ctx)
lib.modnas_config_free(cfg[0])
lib.modnas_config_free(bad[0])
lib.modnas_search_free(search[0])
lib.modnas_arch_free(arch[0])
print("LuaJIT: an architecture asked for, trained, told; loss " .. loss[0])
