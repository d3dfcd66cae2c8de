# SPDX-License-Identifier: MIT
# Strings, hashes, threads, big numbers, a collector that compacts, and fork.
require 'digest'
require 'json'

random = Random.new(7)
table = Hash.new { |hash, key| hash[key] = [] }
300_000.times { |i| table["key#{random.rand(40_000)}"] << "v#{i}" * (1 + random.rand(8)) }
puts "keys #{table.size}, text #{table.values.sum { |list| list.sum(&:size) }}"
text = JSON.generate(table)
back = JSON.parse(text)
puts "json #{text.size}, equal #{back == table}, #{Digest::SHA256.hexdigest(text)}"
GC.start
GC.compact if GC.respond_to?(:compact)

results = 8.times.map do |n|
  Thread.new { (1..20_000).map { |i| (i * (n + 1)).to_s * 3 }.join.size }
end.map(&:value)
puts "threads #{results.inspect}"
puts "big #{(1..2500).inject(:*).to_s.size}"
sorted = Array.new(200_000) { random.rand(1 << 40).to_s(36) }.sort
puts "sorted #{sorted.first} #{sorted.last}"

reader, writer = IO.pipe
pid = fork do
  reader.close
  copy = table.transform_values { |list| list.map(&:reverse) }
  writer.puts "child #{copy.size} #{copy.values.flatten.sum(&:size)}"
  writer.close
  exit!(0)
end
writer.close
print reader.read
Process.wait(pid)
puts "status #{$?.exitstatus}"
