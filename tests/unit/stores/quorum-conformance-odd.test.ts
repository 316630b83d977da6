/** QuorumStore passes the conformance suite with an odd number of members. */
import { testQuorum } from './quorum-conformance.js';

testQuorum(3);
